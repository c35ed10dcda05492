/** Checksum and group of a stream's rows, as services/TableChecksums.ts defines them, in DuckDB's SQL. */
import type { AppliedStream, StreamDefinition } from "../../../services/StreamDefinition.ts"
import { checksumDigits, groupColumn, nullText, separator, type TableHour } from "../../../services/TableChecksums.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { quoted } from "../parquet/literals.ts"
import { named } from "../schema/duckTypes.ts"
import { primitiveText, rowTextSql } from "./rowTextSql.ts"

const character = (text: string) => `chr(${text.codePointAt(0)})`
const orNull = (column: string) => `coalesce(${column}, ${character(nullText)})`
const weatherText = `${orNull("city")} || ${character(separator)} || ${orNull("temperature")}`

const groupOf = (definition: StreamDefinition) => {
  const by = groupColumn(definition)
  const type = definition.columns.find(({ name }) => name === by?.column)?.type
  return by === undefined || type === undefined
    ? "NULL::VARCHAR"
    : `substr(${primitiveText(type, named(by.column))}, 1, ${by.length})`
}

/** SQL expressions over the rows that `logRows` gives. */
export const rowSql = ({ definition }: AppliedStream) => {
  const isWeather = definition.name === weatherStream.definition.name
  const text = isWeather ? weatherText : rowTextSql(definition.columns)
  const group = isWeather ? "ts" : groupOf(definition)
  return {
    columns: definition.columns.map(({ name }) => named(name)).join(", "),
    text,
    checksum: `('0x' || substr(md5(${text}), 1, ${checksumDigits}))::BIGINT`,
    group,
    isIn: (ts: TableHour) => (ts === null ? `${group} IS NULL` : `${group} = ${quoted(ts)}`),
    /** All columns as JSON; weather's can be seen in its text. */
    shown: isWeather
      ? "NULL"
      : `to_json({${definition.columns.map(({ name }) => `${named(name)}: ${named(name)}`).join(", ")}})`
  }
}
export type RowSql = ReturnType<typeof rowSql>
