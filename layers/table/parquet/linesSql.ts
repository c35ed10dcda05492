/** SQL that gives staged lines their columns' types. An event that does not fit fails the statement; it never becomes NULL. */
import { duckType, named } from "../schema/duckTypes.ts"
import type { FieldType, TableField } from "../schema/fields.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import { quoted } from "./literals.ts"

const hasBinary = (type: FieldType): boolean => {
  if (typeof type === "string") return type === "binary"
  if (type.type === "struct") return type.fields.some((field) => hasBinary(field.type))
  return hasBinary(type.type === "list" ? type.element : type.value)
}

/** Binary is read as text, because `read_json` would keep its base64. */
const asText = (type: FieldType): FieldType => {
  if (typeof type === "string") return type === "binary" ? "string" : type
  if (type.type === "struct") {
    return { ...type, fields: type.fields.map((field) => ({ ...field, type: asText(field.type) })) }
  }
  return type.type === "list" ? { ...type, element: asText(type.element) } : { ...type, value: asText(type.value) }
}

/** `depth` names the variables of nested lambdas; no column begins so, and one of the same name would be read instead. */
const decoded = (type: FieldType, value: string, depth = 0): string => {
  if (!hasBinary(type)) return value
  if (typeof type === "string") return `from_base64(${value})`
  if (type.type === "struct") {
    const fields = type.fields.map(
      (field) => `${named(field.name)} := ${decoded(field.type, `${value}.${named(field.name)}`, depth)}`
    )
    return `CASE WHEN ${value} IS NULL THEN NULL ELSE struct_pack(${fields.join(", ")}) END`
  }
  const one = `__e${depth}`
  if (type.type === "list") return `list_transform(${value}, lambda ${one}: ${decoded(type.element, one, depth + 1)})`
  const entry = `struct_pack(k := ${one}.key, v := ${decoded(type.value, `${one}.value`, depth + 1)})`
  return `map_from_entries(list_transform(map_entries(${value}), lambda ${one}: ${entry}))`
}

const keysOf = ({ earlierNames }: TableSpec, { id, name }: TableField) => [name, ...(earlierNames.get(id) ?? [])]

/** The rows of a file of JSON objects, one a line, none longer than `maxLine` bytes. */
export const readLines = (spec: TableSpec, path: string, maxLine: number) => {
  const columns = spec.schema.fields.flatMap((field) => {
    const type = duckType(asText(field.type)) ?? ""
    return keysOf(spec, field).map((key) => `${quoted(key)}: ${quoted(type)}`)
  })
  const select = spec.schema.fields.map((field) => {
    const keys = keysOf(spec, field).map(named)
    const value = keys.length === 1 ? keys.join() : `coalesce(${keys.join(", ")})`
    return `${decoded(field.type, value)} AS ${named(field.name)}`
  })
  return `(SELECT ${select.join(", ")} FROM read_json(${quoted(path)}, columns = {${columns.join(", ")}},
    format = 'newline_delimited', records = true, auto_detect = false, compression = 'uncompressed', maximum_object_size = ${maxLine}))`
}

const texts = ({ partitions }: TableSpec) => partitions.map(({ source, text }) => text(named(source.name)))

export const countPartitions = (spec: TableSpec, source: string) =>
  `SELECT count(*)::INTEGER AS partitions FROM (SELECT DISTINCT ${texts(spec).join(", ")} FROM ${source})`

/** The rows of the source in `parts` parts, all rows of a partition in the same one. */
export const inParts = (spec: TableSpec, source: string, parts: number) =>
  Array.from(
    { length: parts },
    (_, i) => `(SELECT * FROM ${source} WHERE hash(${texts(spec).join(", ")}) % ${parts} = ${i})`
  )
