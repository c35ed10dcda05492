/** The tables and rows of the embedded log, and the checksum that chains each row to the one before. */
import type { SQLOutputValue } from "node:sqlite"
import { crc32 } from "node:zlib"
import type { LoggedEvent, Position } from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"

export const format = 1
/** The format of a restored log, which has the table `earlier`. */
export const restoredFormat = 2

/** The first row of an append with an Idempotency-Key has key, digest and records (the number of records). */
export const tables = `
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

/** The former ids of a restored log, oldest first. */
export const earlierTable = `
  CREATE TABLE IF NOT EXISTS earlier (
    log_id TEXT NOT NULL,
    "end" INTEGER NOT NULL
  ) STRICT`

export const columns = `"offset", city, temperature, ts, accepted_at, key, digest, records, checksum`

export interface LogRow {
  readonly offset: number
  readonly record: WeatherRecord
  readonly acceptedAt: number
  readonly key: string | null
  readonly digest: string | null
  readonly records: number | null
  readonly checksum: number
}

export const position = (offset: number): Position => ({ partition: 0, offset })

export const eventOf = (row: LogRow): LoggedEvent => ({
  position: position(row.offset),
  record: row.record,
  acceptedAt: row.acceptedAt
})

const isArray = (row: unknown): row is ReadonlyArray<SQLOutputValue> => Array.isArray(row)
const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === "string"

/** Decodes the columns in order; undefined if a type is wrong. The checksum covers the rules of a record. */
export const decodeRow = (row: unknown): LogRow | undefined => {
  if (!isArray(row)) return undefined
  const [offset, city, temperature, ts, acceptedAt, key, digest, records, checksum] = row
  if (typeof offset !== "number" || typeof acceptedAt !== "number" || typeof checksum !== "number") return undefined
  if (typeof city !== "string" || typeof temperature !== "string" || typeof ts !== "string") return undefined
  if (!isTextOrNull(key) || !isTextOrNull(digest) || !(records === null || typeof records === "number"))
    return undefined
  return { offset, record: { city, temperature, ts }, acceptedAt, key, digest, records, checksum }
}

/** The checksum before the first row, from the first id of the log. */
export const seedOf = (chainId: string) => crc32(chainId)

/** Each text is preceded by its length, so that different rows never give the same input. */
export const checksumOf = (row: Omit<LogRow, "checksum">, previous: number) => {
  const { city, temperature, ts } = row.record
  const text = `${row.offset} ${row.acceptedAt} ${city.length}:${city}${temperature.length}:${temperature}${ts.length}:${ts}`
  if (row.key === null && row.digest === null && row.records === null) return crc32(text, previous)
  return crc32(`${text}${row.key?.length}:${row.key}${row.digest?.length}:${row.digest}${row.records}`, previous)
}
