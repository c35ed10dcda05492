/** The database that the sink shares with other programs: requests, and the sink's status. */
import { existsSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync, type SQLInputValue } from "node:sqlite"
import { Effect, Schedule, Schema } from "effect"
import * as ReadOnly from "./ReadOnly.ts"
import { reasonOf } from "./sqliteReason.ts"

const tables = `
  CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,
    argument TEXT,
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
  CREATE TABLE IF NOT EXISTS pause (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    since INTEGER NOT NULL
  ) STRICT;
`

/** How long a statement waits for another process; the event loop waits with it. */
const busyMillis = 2000

interface Control {
  readonly rows: <A>(
    schema: Schema.Codec<A, unknown>,
    sql: string,
    ...values: ReadonlyArray<SQLInputValue>
  ) => Effect.Effect<ReadonlyArray<A>, Error>
  /** Changes one thing; the answer is the number of rows changed and the id of the last one inserted. */
  readonly change: (
    sql: string,
    ...values: ReadonlyArray<SQLInputValue>
  ) => Effect.Effect<{ readonly changes: number; readonly id: number }, Error>
}

const connectToWrite = (path: string) => {
  const database = new DatabaseSync(path, { timeout: busyMillis })
  try {
    // A loss of power may take the last requests and the last heartbeat with it, but never damages the database.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    database.exec(tables)
    // Made before requests had arguments.
    const argument = database.prepare("SELECT 1 FROM pragma_table_info('requests') WHERE name = 'argument'").get()
    if (argument === undefined) database.exec("ALTER TABLE requests ADD COLUMN argument TEXT")
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** Who may not write can still look: changing something then fails with the reason. */
const connect = (path: string) => {
  try {
    return connectToWrite(path)
  } catch (cause) {
    if (ReadOnly.isWriteRefused(cause) && existsSync(path)) return ReadOnly.open(path, busyMillis).database
    throw cause
  }
}

/** Open until the scope closes. Its errors say which file cannot be used, and why. */
export const open = Effect.fnUntraced(function* (path: string) {
  const failed = (cause: unknown) => {
    const folder = dirname(path)
    const reason = existsSync(folder)
      ? reasonOf(cause)
      : `there is no folder ${folder}; start Floe (npm start), which makes it, or set FLOE_DATA to where it is`
    return new Error(`${path}: ${reason}`, { cause })
  }
  const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: failed })

  const database = yield* Effect.acquireRelease(
    // The switch to WAL fails at once while another process makes it, whatever the time-out says.
    attempt(() => connect(path)).pipe(Effect.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 20 })))),
    (database) => Effect.sync(() => database.close())
  )
  const rows: Control["rows"] = (schema, sql, ...values) =>
    Effect.flatMap(
      attempt(() => database.prepare(sql).all(...values)),
      (rows) =>
        Schema.decodeUnknownEffect(Schema.Array(schema))(rows).pipe(
          Effect.mapError((cause) => new Error(`${path}: it holds a row of another version of Floe`, { cause }))
        )
    )
  const change: Control["change"] = (sql, ...values) =>
    attempt(() => {
      const { changes, lastInsertRowid } = database.prepare(sql).run(...values)
      return { changes: Number(changes), id: Number(lastInsertRowid) }
    })
  return { rows, change } satisfies Control
})
