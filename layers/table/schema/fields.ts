/** A stream's columns as the fields of an Iceberg schema, under the specification's names. Pure. */
import { Schema } from "effect"
import type { Column, ColumnType } from "../../../services/StreamDefinition.ts"

interface StructType {
  readonly type: "struct"
  readonly fields: ReadonlyArray<TableField>
}
interface ListType {
  readonly type: "list"
  readonly "element-id": number
  readonly element: FieldType
  readonly "element-required": boolean
}
interface MapType {
  readonly type: "map"
  readonly "key-id": number
  readonly key: FieldType
  readonly "value-id": number
  readonly value: FieldType
  readonly "value-required": boolean
}
/** A primitive type is its name, for example `long` or `decimal(12,2)`. */
export type FieldType = string | StructType | ListType | MapType

export interface TableField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: FieldType
  readonly doc?: string
}

type Ids = Readonly<Record<string, number>>

const idAt = (ids: Ids, path: string) => {
  const id = Object.hasOwn(ids, path) ? ids[path] : undefined
  if (id === undefined) throw new Error(`the column ${path} has no field id`)
  return id
}

const typeOf = (column: ColumnType, path: string, ids: Ids): FieldType => {
  switch (column.type) {
    case "struct":
      return { type: "struct", fields: fieldsOf(column.fields, ids, `${path}.`) }
    case "list":
      return {
        type: "list",
        "element-id": idAt(ids, `${path}.element`),
        element: typeOf(column.element, `${path}.element`, ids),
        "element-required": false
      }
    case "map":
      return {
        type: "map",
        "key-id": idAt(ids, `${path}.key`),
        key: "string",
        "value-id": idAt(ids, `${path}.value`),
        value: typeOf(column.value, `${path}.value`, ids),
        "value-required": false
      }
    case "json":
      return "string"
    case "accepted":
      return "timestamptz"
    default:
      return column.type
  }
}

/** All fields are optional: a reader of an old file finds no value of a newer column. */
export const fieldsOf = (columns: ReadonlyArray<Column>, ids: Ids, prefix = ""): ReadonlyArray<TableField> =>
  columns.map((column) => ({
    id: idAt(ids, `${prefix}${column.name}`),
    name: column.name,
    required: false,
    type: typeOf(column, `${prefix}${column.name}`, ids),
    ...(column.doc !== undefined && { doc: column.doc })
  }))

interface NameMapping {
  readonly "field-id": number
  readonly names: ReadonlyArray<string>
  readonly fields?: ReadonlyArray<NameMapping>
}

const nested = (type: FieldType): ReadonlyArray<NameMapping> => {
  if (typeof type === "string") return []
  if (type.type === "struct") return type.fields.map((field) => nameMapping(field))
  const mapping = (id: number, name: string, inner: FieldType) => nameMapping({ id, name, type: inner })
  return type.type === "list"
    ? [mapping(type["element-id"], "element", type.element)]
    : [mapping(type["key-id"], "key", type.key), mapping(type["value-id"], "value", type.value)]
}

/** How a reader finds this field in a file without field ids. */
export const nameMapping = (
  { id, name, type }: Pick<TableField, "id" | "name" | "type">,
  earlierNames: ReadonlyArray<string> = []
): NameMapping => {
  const fields = nested(type)
  return { "field-id": id, names: [name, ...earlierNames], ...(fields.length > 0 && { fields }) }
}

/** A primitive field that is not within a list or a map, with the names on the way to it. */
export interface Leaf {
  readonly id: number
  readonly path: ReadonlyArray<string>
  readonly type: string
}

/** The fields whose counts and bounds a manifest records: as in Iceberg's own writers, none within lists and maps. */
export const leavesOf = (fields: ReadonlyArray<TableField>, path: ReadonlyArray<string> = []): ReadonlyArray<Leaf> =>
  fields.flatMap(({ id, name, type }) => {
    if (typeof type === "string") return [{ id, path: [...path, name], type }]
    return type.type === "struct" ? leavesOf(type.fields, [...path, name]) : []
  })

const withoutSpaces = (type: string) => type.replaceAll(" ", "")

const Nested = Schema.Record(Schema.String, Schema.Unknown)
const isNested = Schema.is(Nested)
const isNestedFields = Schema.is(Schema.Array(Nested))

/** A type of the metadata for people: `list<struct<sku: string, price: decimal(12,2)>>`. */
export const typeText = (type: unknown): string => {
  if (typeof type === "string") return type
  if (isNested(type) && type.type === "list") return `list<${typeText(type.element)}>`
  if (isNested(type) && type.type === "map") return `map<${typeText(type.key)}, ${typeText(type.value)}>`
  if (isNested(type) && type.type === "struct" && isNestedFields(type.fields)) {
    return `struct<${type.fields.map(({ name, type }) => `${name}: ${typeText(type)}`).join(", ")}>`
  }
  return JSON.stringify(type)
}

/** Whether a type of the metadata is this one: the same fields, under the same ids and names, in the same order. */
export const isSameType = (recorded: unknown, type: FieldType): boolean => {
  if (typeof type === "string") return typeof recorded === "string" && withoutSpaces(recorded) === withoutSpaces(type)
  if (!isNested(recorded) || recorded.type !== type.type) return false
  if (type.type === "struct") {
    const { fields } = recorded
    if (!isNestedFields(fields) || fields.length !== type.fields.length) return false
    return type.fields.every(({ id, name, type }, i) => {
      const field = fields[i]
      return field?.id === id && field.name === name && isSameType(field.type, type)
    })
  }
  if (type.type === "list") {
    return recorded["element-id"] === type["element-id"] && isSameType(recorded.element, type.element)
  }
  const sameIds = recorded["key-id"] === type["key-id"] && recorded["value-id"] === type["value-id"]
  return sameIds && isSameType(recorded.key, type.key) && isSameType(recorded.value, type.value)
}
