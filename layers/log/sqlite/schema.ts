/**
 * The tables of the log's database. Format 1 has weather alone, 2 (a restored log) also `earlier`, 3 the other streams: each
 * stream with its events in a table of its own, so that its rows are appended at the end of a B-tree as weather's are.
 */
import type { DatabaseSync } from "node:sqlite"

export const format = 3
/** The first format with `earlier`. */
export const restoredFormat = 2
/** The first format with streams. */
const streamsFormat = 3

/** The first row of an append with an Idempotency-Key has key, digest and records (the number of records). */
const weatherTables = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    log_id TEXT NOT NULL,
    format INTEGER NOT NULL,
    probes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE log (
    "offset" INTEGER PRIMARY KEY,
    city TEXT NOT NULL,
    temperature TEXT NOT NULL,
    ts TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    key TEXT,
    digest TEXT,
    records INTEGER,
    checksum INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE receipts (
    key TEXT PRIMARY KEY,
    "offset" INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX receipts_by_time ON receipts (accepted_at);`

/**
 * `earlier`: the former ids of a restored log, oldest first, with weather's end; `earlier_streams`: the ends of the others.
 * `schemas`: every version of every stream's definition. `empty_receipts`: the keys of appends that logged no record.
 */
const streamsTables = `
  CREATE TABLE IF NOT EXISTS earlier (
    log_id TEXT NOT NULL,
    "end" INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE earlier_streams (
    log_id TEXT NOT NULL,
    stream TEXT NOT NULL,
    "end" INTEGER NOT NULL,
    PRIMARY KEY (log_id, stream)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE schemas (
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    applied TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (stream, version)
  ) STRICT;
  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    redrives TEXT NOT NULL DEFAULT '[]'
  ) STRICT;
  CREATE INDEX dead_letters_by_stream ON dead_letters (stream, id);
  CREATE TABLE empty_receipts (
    stream TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (stream, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX empty_receipts_by_time ON empty_receipts (accepted_at);`

const names = /^[a-z][a-z0-9_]{0,62}$/

/** Of a stream with tables of its own, as any but weather has. */
export const isStreamName = (stream: string) => names.test(stream) && stream !== "weather"

const named = (kind: string) => (stream: string) => {
  if (!isStreamName(stream)) throw new Error(`${JSON.stringify(stream)} is not the name of a stream`)
  return `"${kind}:${stream}"`
}
/** Quoted for SQL. A colon is in no stream's name, so tables of different streams never have the same one. */
export const eventsTable = named("events")
export const receiptsTable = named("receipts")
const receiptsIndex = named("receipts by time")

/** The columns key, digest and records are as in weather's table. */
const tablesOf = (stream: string) => `
  CREATE TABLE IF NOT EXISTS ${eventsTable(stream)} (
    "offset" INTEGER PRIMARY KEY,
    value TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    key TEXT,
    digest TEXT,
    records INTEGER,
    checksum INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS ${receiptsTable(stream)} (
    key TEXT PRIMARY KEY,
    "offset" INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS ${receiptsIndex(stream)} ON ${receiptsTable(stream)} (accepted_at);`

/** In the caller's transaction. */
export const createTables = (database: DatabaseSync, logId: string) => {
  database.exec(weatherTables)
  database.exec(streamsTables)
  database.prepare("INSERT INTO meta (id, log_id, format, probes) VALUES (0, ?, ?, 0)").run(logId, format)
}

/** Makes a log of an older format one of this format, in one transaction. Events and ids stay. */
export const upgrade = (database: DatabaseSync, actual: number) => {
  if (actual >= streamsFormat) return
  database.exec("BEGIN IMMEDIATE")
  try {
    // Another program may have upgraded it while this one waited.
    if (!hasStreams(database)) {
      database.exec(streamsTables)
      database.prepare("UPDATE meta SET format = ?").run(format)
    }
    database.exec("COMMIT")
  } catch (cause) {
    if (database.isTransaction) database.exec("ROLLBACK")
    throw cause
  }
}

/** Creates the tables of a stream if they do not exist, in a transaction of its own. */
export const createStream = (database: DatabaseSync, stream: string) => {
  database.exec(`BEGIN IMMEDIATE; ${tablesOf(stream)} COMMIT`)
}

/** Asks the database, as a server may upgrade it while it is open to read. */
export const hasStreams = (database: DatabaseSync) =>
  database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'schemas'").get() !== undefined

/** The streams that have tables: weather, then by name. */
export const streamsIn = (database: DatabaseSync): ReadonlyArray<string> => {
  const rows = database
    .prepare(
      "SELECT substr(name, 8) AS stream FROM sqlite_schema WHERE type = 'table' AND name GLOB 'events:*' ORDER BY 1"
    )
    .all()
  return ["weather", ...rows.flatMap(({ stream }) => (typeof stream === "string" ? stream : []))]
}
