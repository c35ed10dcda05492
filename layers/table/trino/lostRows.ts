/** Counts the rows of a stream's table that another table lacks, or has fewer times. */
import { Effect, Schema } from "effect"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import type { TableHour } from "../../../services/TableChecksums.ts"
import { weather } from "../../../services/TableReader.ts"
import { columns, weatherStream } from "../../../services/Weather.ts"
import { checksum, hourIs, sum } from "./checksumSql.ts"
import * as Rows from "./rows.ts"
import { findColumn, rowSql } from "./rowTextSql.ts"
import * as TableColumns from "./tableColumns.ts"

/** Rows that Trino groups in one statement; each takes about 200 bytes of its heap. */
const maxGroupedRows = 500_000

const nameOf = (table: string) => `iceberg.default."${table}"`

const Hour = Schema.Tuple([Schema.NullOr(Schema.String), Rows.Whole, Schema.NullOr(Rows.Whole)])
const Count = Schema.Tuple([Rows.Whole])

/** The two tables, each with `ts` and what else makes up a row; and the checksums of a row. */
interface Tables {
  readonly old: string
  readonly other: string
  readonly row: string
  readonly checksum: string
  readonly sum: string
}

const differing = ({ old, other, sum }: Tables) => {
  const hours = (table: string) => `SELECT ts, count(*) AS n, ${sum} AS s FROM ${table} GROUP BY ts`
  return `SELECT a.ts, a.n, b.n FROM (${hours(old)}) a LEFT JOIN (${hours(other)}) b ON a.ts IS NOT DISTINCT FROM b.ts
WHERE b.n IS NULL OR a.n <> b.n OR a.s <> b.s`
}

const excess = ({ checksum, old, other, row }: Tables, ts: TableHour, slice: number, of: number) => {
  const rows = (table: string, weight: number) =>
    `SELECT ${row}, ${weight} AS weight FROM ${table} WHERE ${hourIs(ts)} AND ${checksum} % ${of} = ${slice}`
  return `SELECT coalesce(sum(greatest(n, 0)), 0) FROM (
  SELECT sum(weight) AS n FROM (${rows(old, 1)} UNION ALL ${rows(other, -1)}) GROUP BY ${row})`
}

const ofWeather = (other: string): Tables => ({
  old: nameOf(weather),
  other: nameOf(other),
  row: "city, temperature",
  checksum: checksum(),
  sum: sum()
})

const ofStream = Effect.fnUntraced(function* (
  stream: AppliedStream,
  other: string,
  actual: ReadonlyArray<TableColumns.TableColumn>
) {
  const rowsOf = (table: string, columns: ReadonlyArray<TableColumns.TableColumn>) => {
    const { group, text } = rowSql(stream, columns)
    return `(SELECT ${group} AS ts, ${text} AS text FROM ${nameOf(table)})`
  }
  const tables: Tables = {
    old: rowsOf(stream.definition.name, actual),
    other: rowsOf(other, yield* TableColumns.read(other)),
    row: "text",
    checksum: checksum("text"),
    sum: sum("text")
  }
  return tables
})

/** Compares row by row only the hours whose checksums differ, in slices. */
export const count = Effect.fn("LostRows.count")(function* (other: string, stream: AppliedStream = weatherStream) {
  const table = stream.definition.name
  const operation = "counting the rows that would be lost"
  const all = <A>(row: Schema.Codec<A, unknown>, sql: string) => Rows.all({ table, operation, row }, sql)
  const actual = yield* TableColumns.read(table)
  const isComparable =
    table === weather
      ? columns.every((column) => actual.some(({ name }) => name === column))
      : stream.definition.columns.every((column) => findColumn(stream, column, actual) !== undefined)
  if (!isComparable) {
    const [rows] = yield* all(Count, `SELECT count(*) FROM ${nameOf(table)}`)
    return rows?.[0] ?? 0
  }
  const tables = table === weather ? ofWeather(other) : yield* ofStream(stream, other, actual)
  let lost = 0
  for (const [ts, rows, others] of yield* all(Hour, differing(tables))) {
    if (others === null) {
      lost += rows
      continue
    }
    const of = Math.ceil((rows + others) / maxGroupedRows)
    for (let slice = 0; slice < of; slice++) {
      const [more] = yield* all(Count, excess(tables, ts, slice, of))
      lost += more?.[0] ?? 0
    }
  }
  return lost
})
