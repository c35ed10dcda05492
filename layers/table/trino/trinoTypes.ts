/** Column types as Trino writes them, and the types that it reports. Pure. */
import { type AppliedStream, type Column, type ColumnType, decimalOf } from "../../../services/StreamDefinition.ts"

const primitives: Readonly<Record<string, string>> = {
  int: "integer",
  long: "bigint",
  float: "real",
  string: "varchar",
  json: "varchar",
  binary: "varbinary",
  time: "time(6)",
  timestamp: "timestamp(6)",
  timestamptz: "timestamp(6) with time zone",
  accepted: "timestamp(6) with time zone"
}

export const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

/** A type as Trino reports it; a primitive, and what Floe never writes, is its text. */
export type TrinoType = string | TrinoRow | { readonly array: TrinoType } | TrinoMap
interface TrinoRow {
  readonly row: ReadonlyArray<{ readonly name: string; readonly type: TrinoType }>
}
interface TrinoMap {
  readonly key: TrinoType
  readonly value: TrinoType
}

export const trinoType = (column: ColumnType): TrinoType => {
  switch (column.type) {
    case "struct":
      return { row: column.fields.map((field) => ({ name: field.name, type: trinoType(field) })) }
    case "list":
      return { array: trinoType(column.element) }
    case "map":
      return { key: "varchar", value: trinoType(column.value) }
    default: {
      const decimal = decimalOf(column.type)
      if (decimal !== undefined) return `decimal(${decimal.precision},${decimal.scale})`
      return primitives[column.type] ?? column.type
    }
  }
}

/** The type in SQL. */
export const typeSql = (type: TrinoType): string => {
  if (typeof type === "string") return type
  if ("row" in type) return `ROW(${type.row.map(({ name, type }) => `${quoted(name)} ${typeSql(type)}`).join(", ")})`
  return "array" in type ? `array(${typeSql(type.array)})` : `map(${typeSql(type.key)}, ${typeSql(type.value)})`
}

/** The type for a person: `row(lat double, lon double)`. */
export const typeText = (type: TrinoType): string => {
  if (typeof type === "string") return type
  if ("row" in type) return `row(${type.row.map(({ name, type }) => `${name} ${typeText(type)}`).join(", ")})`
  return "array" in type ? `array(${typeText(type.array)})` : `map(${typeText(type.key)}, ${typeText(type.value)})`
}

/** The texts between the commas of a list that is not nested. */
const parts = (text: string) => {
  const found = [""]
  let depth = 0
  for (const character of text) {
    if (character === "(") depth++
    if (character === ")") depth--
    if (character === "," && depth === 0) found.push("")
    else found[found.length - 1] += character
  }
  return found.map((part) => part.trim())
}

const within = (text: string, kind: string) =>
  text.toLowerCase().startsWith(`${kind}(`) && text.endsWith(")") ? text.slice(kind.length + 1, -1) : undefined

const fieldOf = (text: string) => {
  const [, quotedName, name = "", type = ""] = /^(?:"((?:[^"]|"")*)"|(\S+))\s+(.*)$/s.exec(text) ?? []
  return { name: quotedName?.replaceAll('""', '"') ?? name, type: parseType(type) }
}

/** Reads a type as `information_schema.columns` or a result names it. */
export const parseType = (text: string): TrinoType => {
  const fields = within(text, "row")
  if (fields !== undefined) return { row: parts(fields).map(fieldOf) }
  const element = within(text, "array")
  if (element !== undefined) return { array: parseType(element) }
  const entry = within(text, "map")
  if (entry === undefined) return text.replaceAll(", ", ",")
  const [key = "", value = ""] = parts(entry)
  return { key: parseType(key), value: parseType(value) }
}

/** Trino does not distinguish names by case. */
export const sameName = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** The names that a top-level column had in earlier versions. */
export const earlierNames = ({ ids }: AppliedStream, { name, renamedFrom }: Column) => {
  const sameId = Object.keys(ids).filter((path) => path !== name && ids[path] === ids[name] && !path.includes("."))
  return [...(renamedFrom === undefined ? [] : [renamedFrom]), ...sameId]
}
