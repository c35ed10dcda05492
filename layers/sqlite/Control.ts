/** The database that the sink shares with other programs: requests, the sink's status, leases of running queries. */
import { DatabaseSync, type SQLInputValue } from "node:sqlite"
import { Effect, Schedule, Schema } from "effect"

const tables = `
  CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,
    state TEXT NOT NULL,
    requestedAt INTEGER NOT NULL,
    heartbeatAt INTEGER,
    finishedAt INTEGER,
    outcome TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS unfinished ON requests (id) WHERE finishedAt IS NULL;
  CREATE TABLE IF NOT EXISTS status (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL,
    heartbeatAt INTEGER NOT NULL,
    processId INTEGER NOT NULL,
    reason TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS leases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshotId INTEGER NOT NULL,
    host TEXT NOT NULL,
    processId INTEGER NOT NULL,
    expiresAt INTEGER NOT NULL
  ) STRICT;
`

/** How long a statement waits for another process; the event loop waits with it. */
const busyMillis = 2000

export interface Control {
  readonly rows: <A>(
    schema: Schema.Codec<A, unknown>,
    sql: string,
    ...values: ReadonlyArray<SQLInputValue>
  ) => Effect.Effect<ReadonlyArray<A>, unknown>
  /** Changes one thing; the answer is the number of rows changed and the id of the last one inserted. */
  readonly change: (
    sql: string,
    ...values: ReadonlyArray<SQLInputValue>
  ) => Effect.Effect<{ readonly changes: number; readonly id: number }, unknown>
}

const connect = (path: string) => {
  const database = new DatabaseSync(path, { timeout: busyMillis })
  try {
    // A loss of power may take the last requests and the last heartbeat with it, but never damages the database.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    database.exec(tables)
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** Open until the scope closes. */
export const open = Effect.fnUntraced(function* (path: string) {
  const database = yield* Effect.acquireRelease(
    // The switch to WAL fails at once while another process makes it, whatever the time-out says.
    Effect.try({ try: () => connect(path), catch: (cause) => cause }).pipe(
      Effect.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 20 })))
    ),
    (database) => Effect.sync(() => database.close())
  )
  const rows: Control["rows"] = (schema, sql, ...values) =>
    Effect.try({ try: () => database.prepare(sql).all(...values), catch: (cause) => cause }).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Schema.Array(schema)))
    )
  const change: Control["change"] = (sql, ...values) =>
    Effect.try({
      try: () => {
        const { changes, lastInsertRowid } = database.prepare(sql).run(...values)
        return { changes: Number(changes), id: Number(lastInsertRowid) }
      },
      catch: (cause) => cause
    })
  return { rows, change } satisfies Control
})
