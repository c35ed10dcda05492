/** Maps Iceberg's column types to DuckDB's. */
import { Schema } from "effect"
import { decimalOf } from "../../../services/StreamDefinition.ts"

const primitives: Readonly<Record<string, string>> = {
  boolean: "BOOLEAN",
  int: "INTEGER",
  long: "BIGINT",
  float: "FLOAT",
  double: "DOUBLE",
  date: "DATE",
  time: "TIME",
  timestamp: "TIMESTAMP",
  timestamptz: "TIMESTAMPTZ",
  string: "VARCHAR",
  uuid: "UUID",
  binary: "BLOB"
}

const Struct = Schema.Struct({
  type: Schema.Literal("struct"),
  fields: Schema.Array(Schema.Struct({ id: Schema.Int, name: Schema.String, type: Schema.Unknown }))
})
const List = Schema.Struct({ type: Schema.Literal("list"), element: Schema.Unknown })
const Entries = Schema.Struct({ type: Schema.Literal("map"), key: Schema.Unknown, value: Schema.Unknown })
const [isStruct, isList, isMap] = [Schema.is(Struct), Schema.is(List), Schema.is(Entries)]

export const named = (name: string) => `"${name.replaceAll('"', '""')}"`

/** Undefined for a type that Iceberg v2 does not have. */
export const duckType = (type: unknown): string | undefined => {
  if (typeof type === "string") {
    if (/^fixed\[\d+\]$/.test(type)) return "BLOB"
    const decimal = decimalOf(type)
    return decimal === undefined ? primitives[type] : `DECIMAL(${decimal.precision}, ${decimal.scale})`
  }
  if (isStruct(type)) {
    const fields = type.fields.map(({ name, type }) => ({ name, type: duckType(type) }))
    if (fields.some(({ type }) => type === undefined)) return undefined
    return `STRUCT(${fields.map(({ name, type }) => `${named(name)} ${type}`).join(", ")})`
  }
  if (isList(type)) {
    const element = duckType(type.element)
    return element === undefined ? undefined : `${element}[]`
  }
  if (isMap(type)) {
    const [key, value] = [duckType(type.key), duckType(type.value)]
    return key === undefined || value === undefined ? undefined : `MAP(${key}, ${value})`
  }
  return undefined
}

const nestedFields = (type: unknown): ReadonlyArray<readonly [id: number, name: string]> => {
  if (isStruct(type))
    return type.fields.flatMap((field) => [[field.id, field.name] as const, ...nestedFields(field.type)])
  if (isList(type)) return nestedFields(type.element)
  return isMap(type) ? [...nestedFields(type.key), ...nestedFields(type.value)] : []
}

/** Whether a nested field has different names in these types: the engine identifies nested fields by name only. */
export const hasRenamedField = (types: ReadonlyArray<unknown>) => {
  const names = new Map<number, string>()
  return types.flatMap(nestedFields).some(([id, name]) => {
    const known = names.get(id)
    names.set(id, name)
    return known !== undefined && known !== name
  })
}
