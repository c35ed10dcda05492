/** The database through which other programs send requests to the sink and read its status. */
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
  CREATE TABLE IF NOT EXISTS paused_streams (
    stream TEXT PRIMARY KEY,
    since INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS failed_streams (
    stream TEXT PRIMARY KEY,
    reason TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS unmaintained_streams (
    stream TEXT PRIMARY KEY,
    reason TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`

/** How long a statement waits for another process; this blocks the event loop. */
const busyMillis = 2000

class ControlDatabaseUnusable extends Schema.TaggedError<ControlDatabaseUnusable>()("ControlDatabaseUnusable", {
  path: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

interface Control {
  readonly rows: <A>(
    schema: Schema.Codec<A, unknown>,
    sql: string,
    ...values: ReadonlyArray<SQLInputValue>
  ) => Effect.Effect<ReadonlyArray<A>, ControlDatabaseUnusable>
  /** Runs one statement; returns the number of changed rows and the id of the last inserted one. */
  readonly change: (
    sql: string,
    ...values: ReadonlyArray<SQLInputValue>
  ) => Effect.Effect<{ readonly changes: number; readonly id: number }, ControlDatabaseUnusable>
}

const connectToWrite = (path: string) => {
  const database = new DatabaseSync(path, { timeout: busyMillis })
  try {
    // NORMAL: a power loss can undo the last requests and heartbeat, but never corrupts the database.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
    database.exec(tables)
    const argument = database.prepare("SELECT 1 FROM pragma_table_info('requests') WHERE name = 'argument'").get()
    if (argument === undefined) database.exec("ALTER TABLE requests ADD COLUMN argument TEXT")
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

const connect = (path: string) => {
  try {
    return connectToWrite(path)
  } catch (cause) {
    if (ReadOnly.isWriteDenied(cause) && existsSync(path)) return ReadOnly.open(path, busyMillis).database
    throw cause
  }
}

/** Opens the database until the scope closes. */
export const open = Effect.fnUntraced(function* (path: string) {
  const failed = (cause: unknown) => {
    const folder = dirname(path)
    const reason = existsSync(folder)
      ? reasonOf(cause)
      : `the folder ${folder} does not exist; start Floe (npm start) to create it, or set FLOE_DATA to the right folder`
    return new ControlDatabaseUnusable({ path, reason, cause })
  }
  const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: failed })

  const database = yield* Effect.acquireRelease(
    // SQLite ignores the busy timeout while another process switches the database to WAL.
    attempt(() => connect(path)).pipe(Effect.retry(Schedule.spaced("50 millis").pipe(Schedule.upTo({ times: 20 })))),
    (database) => Effect.sync(() => database.close())
  )
  const rows: Control["rows"] = (schema, sql, ...values) =>
    Effect.flatMap(
      attempt(() => database.prepare(sql).all(...values)),
      (rows) =>
        Schema.decodeUnknownEffect(Schema.Array(schema))(rows).pipe(
          Effect.mapError(
            (cause) =>
              new ControlDatabaseUnusable({ path, reason: "it has a row that another version of Floe wrote", cause })
          )
        )
    )
  const change: Control["change"] = (sql, ...values) =>
    attempt(() => {
      const { changes, lastInsertRowid } = database.prepare(sql).run(...values)
      return { changes: Number(changes), id: Number(lastInsertRowid) }
    })
  return { rows, change } satisfies Control
})
