/** Converts Trino's values to JSON, in the same form as DuckDB's values where both have the type. */
import { Predicate, Schema } from "effect"
import type { QueryValue } from "../../../services/Query.ts"
import { TypeSignature } from "./Page.ts"

type Convert = (value: unknown) => QueryValue

/** A value that does not fit the type of its column. */
export class UnreadableValue extends Schema.TaggedError<UnreadableValue>()("UnreadableValue", {
  type: Schema.String
}) {
  override get message() {
    return `Trino sent a value that is not a valid ${this.type}.`
  }
}

const plain: Convert = (value) => {
  if (Predicate.isString(value) || Predicate.isNumber(value) || Predicate.isBoolean(value)) return value
  throw new UnreadableValue({ type: "scalar" })
}

const text: Convert = (value) => String(plain(value))

const shortFraction = (time: string) => time.replace(/(:\d\d)(?:\.0+(?!\d)|(\.\d*[1-9])0+(?!\d))/, "$1$2")

const timestamp: Convert = (value) => shortFraction(String(text(value))).replace(" ", "T")

const zoned = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)? (UTC|[+-]\d\d:\d\d)$/

const timestampWithZone: Convert = (value) => {
  const moment = String(timestamp(value))
  const match = zoned.exec(moment)
  if (match === null) return moment
  const [, day, time, fraction = "", zone] = match
  const utc = new Date(`${day}T${time}${zone === "UTC" ? "Z" : zone}`).toISOString()
  return utc.replace(".000Z", `${fraction}Z`)
}

/** DuckDB's notation of a BLOB: printable ASCII, and \xHH for any other byte. */
const bytes: Convert = (value) =>
  Array.from(Buffer.from(String(text(value)), "base64"), (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x22 || byte === 0x27
      ? `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`
      : String.fromCharCode(byte)
  ).join("")

const leaves: Record<string, Convert> = {
  bigint: text,
  decimal: text,
  varbinary: bytes,
  timestamp,
  "timestamp with time zone": timestampWithZone,
  time: (value) => shortFraction(String(text(value)))
}

const numbers = ["tinyint", "smallint", "integer", "real", "double"]

/** Trino sends the keys of a map as strings, whatever their type. */
const keyOf = ({ rawType }: TypeSignature, convert: Convert): Convert => {
  if (rawType === "boolean") return (key) => key === "true"
  if (numbers.includes(rawType)) return (key) => (Number.isFinite(Number(key)) ? Number(key) : text(key))
  return rawType in leaves ? convert : text
}

const signatureOf = Schema.decodeUnknownSync(TypeSignature)
const Field = Schema.Struct({
  fieldName: Schema.optionalKey(Schema.NullOr(Schema.Struct({ name: Schema.String }))),
  typeSignature: TypeSignature
})
const fieldOf = Schema.decodeUnknownSync(Field)

const listOf =
  (element: Convert): Convert =>
  (value) => {
    if (!Array.isArray(value)) throw new UnreadableValue({ type: "array" })
    return value.map(element)
  }

const mapOf =
  (key: Convert, value: Convert): Convert =>
  (map) => {
    if (!Predicate.isReadonlyObject(map)) throw new UnreadableValue({ type: "map" })
    return Object.entries(map).map(([name, content]) => ({ key: key(name), value: value(content) }))
  }

const rowOf = (fields: ReadonlyArray<typeof Field.Type>): Convert => {
  const names = fields.map(({ fieldName }) => fieldName?.name)
  const converts = fields.map(({ typeSignature }) => converter(typeSignature))
  const named = names.every((name) => name !== undefined) && new Set(names).size === names.length
  return (value) => {
    if (!Array.isArray(value) || value.length !== fields.length) throw new UnreadableValue({ type: "row" })
    const values = converts.map((convert, i) => convert(value[i]))
    return named ? Object.fromEntries(names.map((name, i) => [name, values[i] ?? null])) : values
  }
}

const present = (signature: TypeSignature): Convert => {
  const [first, second] = signature.arguments
  switch (signature.rawType) {
    case "array":
      return listOf(converter(signatureOf(first?.value)))
    case "map": {
      const key = signatureOf(first?.value)
      return mapOf(keyOf(key, converter(key)), converter(signatureOf(second?.value)))
    }
    case "row":
      return rowOf(signature.arguments.map(({ value }) => fieldOf(value)))
    default:
      return leaves[signature.rawType] ?? plain
  }
}

/** Converts the values of a type; throws UnreadableValue for any other value. */
export const converter = (signature: TypeSignature): Convert => {
  const convert = present(signature)
  return (value) => (value === null || value === undefined ? null : convert(value))
}
