/** The rows of a stream's events, and the checksum that chains each row to the one before. */
import type { SQLOutputValue, StatementSync } from "node:sqlite"
import { crc32 } from "node:zlib"
import type { LoggedEvent, LogRecord, Position } from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { eventsTable } from "./schema.ts"

export interface LogRow<R extends LogRecord = LogRecord> {
  readonly offset: number
  readonly record: R
  /** Of the stream's definition; 1 for weather. */
  readonly schemaVersion: number
  readonly acceptedAt: number
  readonly key: string | null
  readonly digest: string | null
  readonly records: number | null
  readonly checksum: number
}

/** How a stream's events are kept. Weather has a column for each of its fields, the others have one for the whole event. */
export interface LogRows<R extends LogRecord> {
  readonly stream: string
  /** Quoted for SQL. */
  readonly table: string
  readonly columns: ReadonlyArray<string>
  /** Runs an INSERT of the columns in their order. */
  readonly insert: (statement: StatementSync, row: LogRow<R>) => void
  /** Decodes the columns in order; undefined if a type is wrong. The checksum covers the rules of a record. */
  readonly decode: (row: unknown) => LogRow<R> | undefined
  readonly checksum: (row: Omit<LogRow<R>, "checksum">, previous: number) => number
  /** The checksum before the first row, from the first id of the log. */
  readonly seed: (chainId: string) => number
  /** A record for a write that is rolled back. */
  readonly blank: R
}

export const position = (offset: number): Position => ({ partition: 0, offset })

export const eventOf = <R extends LogRecord>({
  offset,
  record,
  acceptedAt,
  schemaVersion
}: LogRow<R>): LoggedEvent<R> =>
  typeof record === "string"
    ? { position: position(offset), record, acceptedAt, schemaVersion }
    : { position: position(offset), record, acceptedAt }

const isArray = (row: unknown): row is ReadonlyArray<SQLOutputValue> => Array.isArray(row)
const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === "string"
const isNumberOrNull = (value: unknown): value is number | null => value === null || typeof value === "number"

/** Each text is preceded by its length, so that different rows never give the same input. */
const chained = (text: string, { key, digest, records }: Omit<LogRow, "checksum">, previous: number) =>
  key === null && digest === null && records === null
    ? crc32(text, previous)
    : crc32(`${text}${key?.length}:${key}${digest?.length}:${digest}${records}`, previous)

export const weatherRows: LogRows<WeatherRecord> = {
  stream: "weather",
  table: "log",
  columns: [`"offset"`, "city", "temperature", "ts", "accepted_at", "key", "digest", "records", "checksum"],
  insert: (statement, { offset, record: { city, temperature, ts }, acceptedAt, key, digest, records, checksum }) => {
    statement.run(offset, city, temperature, ts, acceptedAt, key, digest, records, checksum)
  },
  decode: (row) => {
    if (!isArray(row)) return undefined
    const [offset, city, temperature, ts, acceptedAt, key, digest, records, checksum] = row
    if (typeof offset !== "number" || typeof acceptedAt !== "number" || typeof checksum !== "number") return undefined
    if (typeof city !== "string" || typeof temperature !== "string" || typeof ts !== "string") return undefined
    if (!isTextOrNull(key) || !isTextOrNull(digest) || !isNumberOrNull(records)) return undefined
    return { offset, record: { city, temperature, ts }, schemaVersion: 1, acceptedAt, key, digest, records, checksum }
  },
  checksum: (row, previous) => {
    const { city, temperature, ts } = row.record
    return chained(
      `${row.offset} ${row.acceptedAt} ${city.length}:${city}${temperature.length}:${temperature}${ts.length}:${ts}`,
      row,
      previous
    )
  },
  seed: (chainId) => crc32(chainId),
  blank: { city: "", temperature: "", ts: "" }
}

/** The rows of any stream but weather. */
export const rowsOf = (stream: string): LogRows<string> => ({
  stream,
  table: eventsTable(stream),
  columns: [`"offset"`, "value", "schema_version", "accepted_at", "key", "digest", "records", "checksum"],
  insert: (statement, { offset, record, schemaVersion, acceptedAt, key, digest, records, checksum }) => {
    statement.run(offset, record, schemaVersion, acceptedAt, key, digest, records, checksum)
  },
  decode: (row) => {
    if (!isArray(row)) return undefined
    const [offset, record, schemaVersion, acceptedAt, key, digest, records, checksum] = row
    if (typeof offset !== "number" || typeof acceptedAt !== "number" || typeof checksum !== "number") return undefined
    if (typeof record !== "string" || typeof schemaVersion !== "number") return undefined
    if (!isTextOrNull(key) || !isTextOrNull(digest) || !isNumberOrNull(records)) return undefined
    return { offset, record, schemaVersion, acceptedAt, key, digest, records, checksum }
  },
  checksum: (row, previous) =>
    chained(`${row.offset} ${row.acceptedAt} ${row.schemaVersion} ${row.record.length}:${row.record}`, row, previous),
  seed: (chainId) => crc32(`${chainId} ${stream}`),
  blank: ""
})
