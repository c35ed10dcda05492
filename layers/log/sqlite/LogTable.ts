/** A stream's rows over one connection, each verified against the row before it. Throws LogCorrupt. */
import type { DatabaseSync } from "node:sqlite"
import { LogCorrupt, type LogRecord } from "../../../services/EventLog.ts"
import { isDamage } from "./logFailures.ts"
import { type LogRow, type LogRows, position, weatherRows } from "./logRows.ts"

export const corrupt = (offset: number, reason: string) => new LogCorrupt({ position: position(offset), reason })

const corruptIn = <R extends LogRecord>({ stream }: LogRows<R>) => {
  if (stream === weatherRows.stream) return corrupt
  return (offset: number, reason: string) => new LogCorrupt({ position: position(offset), reason, stream })
}

export interface Tail {
  /** Offset that the next event gets. */
  readonly end: number
  /** Of the last row. */
  readonly checksum: number
}

export interface LogTable<R extends LogRecord = LogRecord> {
  /** The end, with the last row verified. */
  readonly tail: () => Tail
  readonly row: (offset: number) => LogRow<R>
  /** Up to `limit` rows from `from` on. Stops before a corrupt row; the next call then throws LogCorrupt. Empty at the end. */
  readonly rows: (from: number, limit: number) => ReadonlyArray<LogRow<R>>
}

const notThere = (from: number) => `the log ends here, not at offset ${from} or later`

/** Of a stream that has no table yet. */
export const empty = <R extends LogRecord>(chainId: string, rows: LogRows<R>): LogTable<R> => ({
  tail: () => ({ end: 0, checksum: rows.seed(chainId) }),
  row: (offset) => {
    throw corruptIn(rows)(0, notThere(offset))
  },
  rows: (from) => {
    if (from > 0) throw corruptIn(rows)(0, notThere(from))
    return []
  }
})

export const make = <R extends LogRecord>(database: DatabaseSync, chainId: string, rows: LogRows<R>): LogTable<R> => {
  const broken = corruptIn(rows)
  const seed = rows.seed(chainId)
  const rowsFrom = database.prepare(
    `SELECT ${rows.columns.join(", ")} FROM ${rows.table} WHERE "offset" >= ? ORDER BY "offset" LIMIT ?`
  )
  const lastOffset = database.prepare(`SELECT "offset" FROM ${rows.table} ORDER BY "offset" DESC LIMIT 1`)
  rowsFrom.setReturnArrays(true)

  const end = () => {
    const last = lastOffset.get()?.offset
    if (last === undefined) return 0
    if (typeof last !== "number" || last < 0) throw broken(0, "the last row is invalid")
    return last + 1
  }

  const verified = (value: unknown, offset: number, previous: number) => {
    const row = rows.decode(value)
    if (row === undefined) throw broken(offset, "its row is invalid")
    if (row.offset !== offset) throw broken(offset, `the event is missing; the next one has offset ${row.offset}`)
    if (rows.checksum(row, previous) !== row.checksum) {
      throw broken(offset, "its checksum does not match, so the event or the one before it was changed")
    }
    return row
  }

  const chained = (from: number, limit: number) => {
    if (from === 0) return { values: rowsFrom.all(0, limit), before: seed }
    const [first, ...rest] = rowsFrom.all(from - 1, limit + 1)
    const row = rows.decode(first)
    if (row?.offset === from - 1) return { values: rest, before: row.checksum }
    const last = end()
    throw last < from ? broken(last, notThere(from)) : broken(from - 1, "the event is missing")
  }

  const row = (offset: number) => {
    const { values, before } = chained(offset, 1)
    return verified(values[0], offset, before)
  }

  const rowsOf = (from: number, limit: number): ReadonlyArray<LogRow<R>> => {
    const read: Array<LogRow<R>> = []
    try {
      const { values, before } = chained(from, limit)
      let previous = before
      for (const each of values) {
        const row = verified(each, from + read.length, previous)
        previous = row.checksum
        read.push(row)
      }
    } catch (cause) {
      if (read.length > 0) return read
      // SQLite fails for the whole range; halving it leads up to the damaged row.
      if (limit > 1 && !(cause instanceof LogCorrupt) && isDamage(cause)) return rowsOf(from, limit >> 1)
      throw cause
    }
    return read
  }

  return {
    row,
    rows: rowsOf,
    tail: () => {
      const offset = end()
      return { end: offset, checksum: offset === 0 ? seed : row(offset - 1).checksum }
    }
  }
}
