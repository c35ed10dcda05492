/** The text of a row whose checksum an audit compares, as services/TableChecksums.ts defines it, in DuckDB's SQL. */
import { type Column, type ColumnType, decimalOf } from "../../../services/StreamDefinition.ts"
import { named } from "../schema/duckTypes.ts"

const orAbsent = (value: string, text: string) => `CASE WHEN ${value} IS NULL THEN '~' ELSE ${text} END`
const framed = (value: string) => `strlen(${value}) || ':' || ${value}`
const joined = (parts: ReadonlyArray<string>) => parts.join(" || ',' || ")

const isFraction = (type: string) => {
  const decimal = decimalOf(type)
  return decimal !== undefined && decimal.precision === decimal.scale
}

/** DuckDB writes .5 where all digits are after the point. */
const decimalText = (value: string) => `regexp_replace(${value}::VARCHAR, '^(-?)[.]', '\\10.')`

/** The canonical text of a primitive value; a string is preceded by its length. */
export const primitiveText = (type: string, value: string) => {
  switch (type) {
    case "double":
      return `CAST(CAST(${value} AS BIT) AS BIGINT)::VARCHAR`
    case "float":
      return `CAST(CAST(${value} AS BIT) AS INTEGER)::VARCHAR`
    case "timestamptz":
    case "accepted":
      // Not in the session's time zone.
      return `strftime(make_timestamp(epoch_us(${value})), '%Y-%m-%dT%H:%M:%S.%fZ')`
    case "timestamp":
      return `strftime(${value}, '%Y-%m-%dT%H:%M:%S.%f')`
    case "time":
      return `strftime(DATE '1970-01-01' + ${value}, '%H:%M:%S.%f')`
    case "binary":
      return `to_base64(${value})`
    case "string":
    case "json":
      return framed(value)
    default:
      return isFraction(type) ? decimalText(value) : `${value}::VARCHAR`
  }
}

/** `depth` names the variables of nested lambdas; no column begins so, and one of the same name would be read instead. */
const textOf = (column: ColumnType, value: string, depth: number): string => {
  if (column.type === "struct") {
    const fields = column.fields.map((field) => optionalText(field, `${value}.${named(field.name)}`, depth))
    return `'(' || ${joined(fields)} || ')'`
  }
  const one = `__e${depth}`
  if (column.type === "list") {
    const elements = `list_transform(${value}, lambda ${one}: ${optionalText(column.element, one, depth + 1)})`
    return `'[' || array_to_string(${elements}, ',') || ']'`
  }
  if (column.type === "map") {
    const text = `${framed(`${one}.key`)} || '=' || ${optionalText(column.value, `${one}.value`, depth + 1)}`
    const entries = `list_sort(list_transform(map_entries(${value}), lambda ${one}: ${text}))`
    return `'{' || array_to_string(${entries}, ',') || '}'`
  }
  return primitiveText(column.type, value)
}

const optionalText = (column: ColumnType, value: string, depth: number) => orAbsent(value, textOf(column, value, depth))

/** A SQL expression over columns of these names. */
export const rowTextSql = (columns: ReadonlyArray<Column>) =>
  joined(columns.map((column) => optionalText(column, named(column.name), 0)))
