/** Iceberg's column types as DuckDB has them. */
import { Schema } from "effect"

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

/** Undefined for a type that is not of Iceberg v2. */
export const duckType = (type: unknown): string | undefined => {
  if (typeof type === "string") {
    if (/^fixed\[\d+\]$/.test(type)) return "BLOB"
    const decimal = /^decimal\((\d+), ?(\d+)\)$/.exec(type)
    return decimal === null ? primitives[type] : `DECIMAL(${decimal[1]}, ${decimal[2]})`
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

/** Names of the fields inside of a type, by id. */
const inside = (type: unknown): ReadonlyArray<readonly [id: number, name: string]> => {
  if (isStruct(type)) return type.fields.flatMap((field) => [[field.id, field.name] as const, ...inside(field.type)])
  if (isList(type)) return inside(type.element)
  return isMap(type) ? [...inside(type.key), ...inside(type.value)] : []
}

/** Whether a field inside of one of these types has another name in another one: the engine knows it by name only. */
export const isRenamedInside = (types: ReadonlyArray<unknown>) => {
  const names = new Map<number, string>()
  return types.flatMap(inside).some(([id, name]) => {
    const known = names.get(id)
    names.set(id, name)
    return known !== undefined && known !== name
  })
}
