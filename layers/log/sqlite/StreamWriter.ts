/** One stream's events and Idempotency-Keys over the log's write connection, in the caller's transaction. */
import type { DatabaseSync } from "node:sqlite"
import type { IdempotencyKey, LogRecord } from "../../../services/EventLog.ts"
import * as LogTable from "./LogTable.ts"
import type { LogRow, LogRows } from "./logRows.ts"
import * as Receipts from "./Receipts.ts"

interface Batch<R extends LogRecord> {
  readonly records: ReadonlyArray<R>
  /** Of the stream's definition. */
  readonly schemaVersion: number
  readonly idempotency: IdempotencyKey | undefined
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
}

export interface StreamWriter<R extends LogRecord> {
  /** The last row in the log. */
  readonly tail: () => LogTable.Tail
  /** Appends rows after `from`, with the receipt of the key. */
  readonly insert: (from: LogTable.Tail, batch: Batch<R>) => LogTable.Tail
  /** Writes a row and a receipt, for the caller to roll back. */
  readonly insertBlank: (from: LogTable.Tail) => void
  /** The first row of the append with this key; undefined once the key is no longer kept. Throws LogCorrupt. */
  readonly find: (key: string, now: number) => LogRow<R> | undefined
  /** Removes old receipts, `added` more of them than usual. */
  readonly prune: (added: number, now: number) => void
}

/** `receiptsTable` is quoted for SQL. */
export const make = <R extends LogRecord>(
  database: DatabaseSync,
  chainId: string,
  rows: LogRows<R>,
  receiptsTable: string
): StreamWriter<R> => {
  const table = LogTable.make(database, chainId, rows)
  const receipts = Receipts.make(database, receiptsTable)
  const places = rows.columns.map(() => "?").join(", ")
  const insertRow = database.prepare(`INSERT INTO ${rows.table} (${rows.columns.join(", ")}) VALUES (${places})`)

  const insert = (
    from: LogTable.Tail,
    { records, schemaVersion, idempotency, acceptedAt }: Batch<R>
  ): LogTable.Tail => {
    if (idempotency !== undefined) receipts.add(idempotency.key, from.end, acceptedAt)
    let { end, checksum } = from
    for (const record of records) {
      const first = end === from.end ? idempotency : undefined
      const row = {
        offset: end,
        record,
        schemaVersion,
        acceptedAt,
        key: first === undefined ? null : first.key,
        digest: first === undefined ? null : first.digest,
        records: first === undefined ? null : records.length,
        checksum: 0
      }
      checksum = row.checksum = rows.checksum(row, checksum)
      rows.insert(insertRow, row)
      end++
    }
    return { end, checksum }
  }

  return {
    tail: table.tail,
    insert,
    insertBlank: (from) => {
      const idempotency = { key: "", digest: "" }
      insert(from, { records: [rows.blank], schemaVersion: 1, idempotency, acceptedAt: 0 })
    },
    find: (key, now) => {
      const offset = receipts.find(key)
      if (offset === undefined) return undefined
      const row = table.row(offset)
      if (row.key !== key || row.records === null) {
        throw LogTable.corrupt(offset, "a receipt points here, but the event has another Idempotency-Key")
      }
      return now - row.acceptedAt >= Receipts.kept ? undefined : row
    },
    prune: receipts.prune
  }
}
