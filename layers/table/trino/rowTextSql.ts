/** The text of a row whose checksum an audit compares, as services/TableChecksums.ts defines it, in Trino's SQL. Pure. */
import type { AppliedStream, Column, ColumnType } from "../../../services/StreamDefinition.ts"
import { groupColumn } from "../../../services/TableChecksums.ts"
import { earlierNames, quoted, sameName, type TrinoType, typeSql } from "./trinoTypes.ts"

/** Trino takes at most 254 elements. */
const maxElements = 200

/** Not `||`, whose result has at most 1 MiB. */
const joined = (parts: ReadonlyArray<string>, separator: string): string => {
  if (parts.length <= maxElements) return `array_join(ARRAY[${parts.join(", ")}], '${separator}')`
  const pieces = Array.from({ length: Math.ceil(parts.length / maxElements) }, (_, i) =>
    joined(parts.slice(i * maxElements, (i + 1) * maxElements), separator)
  )
  return joined(pieces, separator)
}

/** As many as Trino compiles into one method; the body of a lambda is a method of its own. */
const maxCompiled = 40

/** Texts of many columns, joined by commas. */
const joinedColumns = (texts: ReadonlyArray<string>) => {
  if (texts.length <= maxCompiled) return joined(texts, ",")
  const pieces = Array.from({ length: Math.ceil(texts.length / maxCompiled) }, (_, i) => {
    const piece = joined(texts.slice(i * maxCompiled, (i + 1) * maxCompiled), ",")
    return `element_at(transform(ARRAY[true], __p -> ${piece}), 1)`
  })
  return joined(pieces, ",")
}

const framed = (value: string) => joined([`CAST(length(to_utf8(${value})) AS varchar)`, "':'", value], "")

const orAbsent = (value: string, text: string) => `IF(${value} IS NULL, '~', ${text})`

/** The canonical text of a primitive value; a string is preceded by its length. */
const primitiveText = (type: string, value: string) => {
  switch (type) {
    case "double":
      return `CAST(from_big_endian_64(to_ieee754_64(CAST(${value} AS double))) AS varchar)`
    case "float":
      return `CAST(from_big_endian_32(to_ieee754_32(CAST(${value} AS real))) AS varchar)`
    case "timestamptz":
    case "accepted":
      return `(replace(substr(CAST(${value} AT TIME ZONE 'UTC' AS varchar), 1, 26), ' ', 'T') || 'Z')`
    case "timestamp":
      return `replace(CAST(${value} AS varchar), ' ', 'T')`
    case "binary":
      return `to_base64(${value})`
    case "string":
    case "json":
      return framed(value)
    default:
      return `CAST(${value} AS varchar)`
  }
}

/** `actual` is the type in the snapshot that is read, which may lack fields that were added later. */
const textOf = (column: ColumnType, value: string, actual: TrinoType, depth: number): string => {
  const inner = typeof actual === "string" ? { row: [] } : actual
  if (column.type === "struct") {
    const fields = "row" in inner ? inner.row : []
    const parts = column.fields.map((field) => {
      const found = fields.find(({ name }) => sameName(name, field.name))
      return found === undefined ? "'~'" : optionalText(field, `${value}.${quoted(field.name)}`, found.type, depth)
    })
    return joined(["'('", joinedColumns(parts), "')'"], "")
  }
  const one = `__e${depth}`
  if (column.type === "list") {
    const text = optionalText(column.element, one, "array" in inner ? inner.array : "", depth + 1)
    return joined(["'['", `array_join(transform(${value}, ${one} -> ${text}), ',')`, "']'"], "")
  }
  if (column.type === "map") {
    const content = optionalText(column.value, `${one}[2]`, "key" in inner ? inner.value : "", depth + 1)
    const text = joined([framed(`${one}[1]`), "'='", content], "")
    const entries = `array_sort(transform(map_entries(${value}), ${one} -> ${text}))`
    return joined(["'{'", `array_join(${entries}, ',')`, "'}'"], "")
  }
  return primitiveText(column.type, value)
}

const optionalText = (column: ColumnType, value: string, actual: TrinoType, depth: number) =>
  orAbsent(value, textOf(column, value, actual, depth))

/** The columns of a snapshot; Trino reads each snapshot under the schema that it was committed with. */
export type SnapshotColumns = ReadonlyArray<{ readonly name: string; readonly type: TrinoType }>

/** A stream's column in a snapshot, whatever its name was then; undefined if it was added later. */
export const findColumn = (stream: AppliedStream, column: Column, columns: SnapshotColumns) =>
  columns.find(({ name }) => [column.name, ...earlierNames(stream, column)].some((one) => sameName(one, name)))

/** SQL expressions over a snapshot with these columns. */
export const rowSql = (stream: AppliedStream, columns: SnapshotColumns) => {
  const { definition } = stream
  const found = definition.columns.map((column) => ({ column, actual: findColumn(stream, column, columns) }))
  const texts = found.map(({ column, actual }) =>
    actual === undefined ? "'~'" : optionalText(column, quoted(actual.name), actual.type, 0)
  )
  const by = groupColumn(definition)
  const source = found.find(({ column }) => column.name === by?.column)
  const present = found.flatMap(({ column, actual }) => (actual === undefined ? [] : [{ ...actual, as: column.name }]))
  return {
    text: joinedColumns(texts),
    group:
      by === undefined || source?.actual === undefined
        ? "CAST(NULL AS varchar)"
        : `substr(${primitiveText(source.column.type, quoted(source.actual.name))}, 1, ${by.length})`,
    /** All columns as one value, and its type. */
    shown: `ROW(${present.map(({ name }) => quoted(name)).join(", ")})`,
    shownType: typeSql({ row: present.map(({ as, type }) => ({ name: as, type })) })
  }
}
