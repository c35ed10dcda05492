/** Iceberg's types as its own libraries print them, for example `list<struct<sku: string, n: int>>`. */
import { Schema } from "effect"

const Struct = Schema.Struct({
  type: Schema.Literal("struct"),
  fields: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.Unknown }))
})
const List = Schema.Struct({ type: Schema.Literal("list"), element: Schema.Unknown })
const Entries = Schema.Struct({ type: Schema.Literal("map"), key: Schema.Unknown, value: Schema.Unknown })
const [isStruct, isList, isMap] = [Schema.is(Struct), Schema.is(List), Schema.is(Entries)]

/** `type` is what a table's metadata has; JSON for a type that Iceberg does not have. */
export const typeText = (type: unknown): string => {
  if (typeof type === "string") return type
  if (isStruct(type)) return `struct<${type.fields.map(({ name, type }) => `${name}: ${typeText(type)}`).join(", ")}>`
  if (isList(type)) return `list<${typeText(type.element)}>`
  if (isMap(type)) return `map<${typeText(type.key)}, ${typeText(type.value)}>`
  return JSON.stringify(type)
}
