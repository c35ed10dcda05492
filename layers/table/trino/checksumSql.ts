/** Statements that give the checksums of a table's rows, as services/TableChecksums.ts defines them. Pure. */
import { Schema } from "effect"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import {
  checksumDigits,
  nullText,
  type ShownRow,
  separator,
  type TableHour,
  weatherText
} from "../../../services/TableChecksums.ts"
import { weather } from "../../../services/TableReader.ts"
import type { OtherSnapshot } from "./otherWriters.ts"
import * as Rows from "./rows.ts"
import { rowSql, type SnapshotColumns } from "./rowTextSql.ts"
import { nameOf } from "./streamTable.ts"

const character = (text: string) => `U&'\\${text.charCodeAt(0).toString(16).padStart(4, "0")}'`
const orNull = (column: string) => `coalesce(${column}, ${character(nullText)})`
const text = `${orNull("city")} || ${character(separator)} || ${orNull("temperature")}`

/** Of a text; weather's by default. */
export const checksum = (of = text) => `from_base(substr(to_hex(md5(to_utf8(${of}))), 1, ${checksumDigits}), 16)`
/** A sum of bigints overflows after some thousand rows. */
export const sum = (of = text) => `sum(CAST(${checksum(of)} AS decimal(38, 0)))`
export const hourIs = (ts: TableHour) => (ts === null ? "ts IS NULL" : `ts = ${Rows.literal(ts)}`)

export const rowsAt = (table: string, snapshotId: string) => `${nameOf(table)} FOR VERSION AS OF BIGINT '${snapshotId}'`

/** A snapshot whose rows count `n` times. */
interface Part {
  readonly id: string
  readonly n: number
  readonly other: boolean
}

/**
 * A snapshot's rows without the changes of other writers: for each of their snapshots, adds its parent's rows and subtracts
 * its own. Where one of their snapshots follows another, the rows cancel out.
 */
export const parts = (others: ReadonlyArray<OtherSnapshot>, snapshotId: string): ReadonlyArray<Part> => {
  const times = new Map<string, number>()
  const add = (id: string, n: number) => times.set(id, (times.get(id) ?? 0) + n)
  for (const other of others) {
    add(other.parentId, 1)
    add(other.snapshotId, -1)
  }
  return [
    { id: snapshotId, n: 1, other: false },
    ...[...times].filter(([, n]) => n !== 0).map(([id, n]) => ({ id, n, other: true }))
  ]
}

interface Slices {
  readonly of: number
  readonly slices: ReadonlyArray<number>
}

const byOthers = "coalesce(-sum(n) FILTER (WHERE other), 0)"

/** Weather's city and temperature, or the text and the columns of another stream; and how many there are. */
export const RecordRow = Schema.Tuple([Schema.NullOr(Schema.String), Schema.Json, Rows.Whole])
type RecordRow = typeof RecordRow.Type

interface Statements {
  readonly hours: string
  readonly slices: (ts: TableHour, of: number) => string
  readonly records: (ts: TableHour, slices: Slices) => string
  readonly record: (row: RecordRow) => { readonly text: string; readonly shown: ShownRow; readonly rows: number }
}

export const ofWeather = (some: ReadonlyArray<Part>): Statements => {
  const [only] = some
  const isPlain = some.length === 1 && only !== undefined
  const select = ({ id, n, other }: Part) =>
    `SELECT city, temperature, ts, ${n} AS n, ${other} AS other FROM ${rowsAt(weather, id)}`
  const from = `FROM ${isPlain ? rowsAt(weather, only.id) : `(${some.map(select).join("\nUNION ALL ")})`}`
  const count = isPlain ? "count(*)" : "sum(n)"
  const total = isPlain ? sum() : `sum(CAST(n * ${checksum()} AS decimal(38, 0)))`
  return {
    hours: `SELECT ts, ${count}, ${total}, ${isPlain ? "bigint '0'" : byOthers} ${from} GROUP BY ts`,
    slices: (ts, of) => `SELECT ${checksum()} % ${of}, ${count}, ${total} ${from} WHERE ${hourIs(ts)} GROUP BY 1`,
    records: (ts, { of, slices }) =>
      `SELECT city, temperature, ${count} ${from} WHERE ${hourIs(ts)} AND ${checksum()} % ${of} IN (${slices.join()}) GROUP BY city, temperature HAVING ${count} <> 0`,
    record: ([city, second, rows]) => {
      const temperature = typeof second === "string" ? second : null
      return { text: weatherText({ city, temperature }), shown: { city, temperature }, rows }
    }
  }
}

/** `columns` are those that each snapshot has. */
export const ofStream = (
  stream: AppliedStream,
  some: ReadonlyArray<Part & { readonly columns: SnapshotColumns }>
): Statements => {
  const name = stream.definition.name
  const shownType = rowSql(stream, some[0]?.columns ?? []).shownType
  const select = ({ columns, id, n, other }: (typeof some)[number]) => {
    const row = rowSql(stream, columns)
    const shown = other ? "NULL" : row.shown
    return `SELECT ${row.group} AS ts, ${row.text} AS text, CAST(${shown} AS ${shownType}) AS shown, ${n} AS n, ${other} AS other FROM ${rowsAt(name, id)}`
  }
  const from = `FROM (${some.map(select).join("\nUNION ALL ")})`
  const total = `sum(CAST(n * ${checksum("text")} AS decimal(38, 0)))`
  return {
    hours: `SELECT ts, sum(n), ${total}, ${byOthers} ${from} GROUP BY ts`,
    slices: (ts, of) => `SELECT ${checksum("text")} % ${of}, sum(n), ${total} ${from} WHERE ${hourIs(ts)} GROUP BY 1`,
    records: (ts, { of, slices }) =>
      `SELECT text, any_value(shown), sum(n) ${from} WHERE ${hourIs(ts)} AND ${checksum("text")} % ${of} IN (${slices.join()}) GROUP BY text HAVING sum(n) <> 0`,
    record: ([text, shown, rows]) => ({ text: text ?? "", shown: { row: JSON.stringify(shown ?? text) }, rows })
  }
}
