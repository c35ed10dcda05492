/** Counts the rows of `default.weather` that another table lacks, or has fewer times. */
import { Effect, Schema } from "effect"
import type { TableHour } from "../../../services/TableChecksums.ts"
import { weather } from "../../../services/TableReader.ts"
import { columns } from "../../../services/Weather.ts"
import { checksum, hourIs, sum } from "./checksumSql.ts"
import * as Rows from "./rows.ts"

/** Rows that Trino groups in one statement; each takes about 200 bytes of its heap. */
const maxGroupedRows = 500_000

const nameOf = (table: string) => `iceberg.default."${table}"`

const Column = Schema.Tuple([Schema.String])
const Hour = Schema.Tuple([Schema.NullOr(Schema.String), Rows.Whole, Schema.NullOr(Rows.Whole)])
const Count = Schema.Tuple([Rows.Whole])

const differing = (other: string) => {
  const hours = (table: string) => `SELECT ts, count(*) AS n, ${sum()} AS s FROM ${nameOf(table)} GROUP BY ts`
  return `SELECT a.ts, a.n, b.n FROM (${hours(weather)}) a LEFT JOIN (${hours(other)}) b ON a.ts IS NOT DISTINCT FROM b.ts
WHERE b.n IS NULL OR a.n <> b.n OR a.s <> b.s`
}

const excess = (other: string, ts: TableHour, slice: number, of: number) => {
  const rows = (table: string, weight: number) =>
    `SELECT city, temperature, ${weight} AS weight FROM ${nameOf(table)} WHERE ${hourIs(ts)} AND ${checksum()} % ${of} = ${slice}`
  return `SELECT coalesce(sum(greatest(n, 0)), 0) FROM (
  SELECT sum(weight) AS n FROM (${rows(weather, 1)} UNION ALL ${rows(other, -1)}) GROUP BY city, temperature)`
}

/** Compares row by row only the hours whose checksums differ, in slices. */
export const count = Effect.fn("LostRows.count")(function* (other: string) {
  const operation = "counting the rows that would be lost"
  const all = <A>(row: Schema.Codec<A, unknown>, sql: string) => Rows.all({ table: weather, operation, row }, sql)
  const names = yield* all(
    Column,
    `SELECT column_name FROM iceberg.information_schema.columns WHERE table_schema = 'default' AND table_name = '${weather}'`
  )
  if (!columns.every((column) => names.some(([name]) => name === column))) {
    const [rows] = yield* all(Count, `SELECT count(*) FROM ${nameOf(weather)}`)
    return rows?.[0] ?? 0
  }
  let lost = 0
  for (const [ts, rows, others] of yield* all(Hour, differing(other))) {
    if (others === null) {
      lost += rows
      continue
    }
    const of = Math.ceil((rows + others) / maxGroupedRows)
    for (let slice = 0; slice < of; slice++) {
      const [more] = yield* all(Count, excess(other, ts, slice, of))
      lost += more?.[0] ?? 0
    }
  }
  return lost
})
