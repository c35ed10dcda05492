/** Canonical JSON as the values of user code: a long is a bigint, everything else as JSON has it. */
import type { AppliedStream, Column, ColumnType } from "../../../services/StreamDefinition.ts"

type JsonObject = Record<string, unknown>
type Convert = (value: unknown) => unknown

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const toBigInt: Convert = (value) => (typeof value === "string" || typeof value === "number" ? BigInt(value) : value)

/** Undefined for a type whose values stay as they are. Objects are changed in place, as JSON.parse has just made them. */
const convertOf = (type: ColumnType): Convert | undefined => {
  switch (type.type) {
    case "long":
      return toBigInt
    case "list": {
      const convert = convertOf(type.element)
      return convert && ((value) => (Array.isArray(value) ? value.map(convert) : value))
    }
    case "map": {
      const convert = convertOf(type.value)
      return (
        convert &&
        ((value) => {
          if (isObject(value)) for (const name of Object.keys(value)) value[name] = convert(value[name])
          return value
        })
      )
    }
    case "struct":
      return fieldsOf(type.fields)
    default:
      return undefined
  }
}

const fieldsOf = (columns: ReadonlyArray<Column>): Convert | undefined => {
  const fields = columns.flatMap((column) => {
    const convert = convertOf(column)
    return convert === undefined ? [] : [{ name: column.name, convert }]
  })
  if (fields.length === 0) return undefined
  return (value) => {
    if (!isObject(value)) return value
    for (const { convert, name } of fields) {
      const one = value[name]
      if (one !== undefined) value[name] = convert(one)
    }
    return value
  }
}

/** A decoder of values with these columns. */
export const decoder = (columns: ReadonlyArray<Column>): ((text: string) => unknown) => {
  const convert = fieldsOf(columns)
  return convert === undefined ? JSON.parse : (text) => convert(JSON.parse(text))
}

/** The top-level columns of an earlier version under the names that they have now; those that the stream no longer has are left out. */
const renaming = (earlier: AppliedStream, now: AppliedStream) => {
  const names = new Map(now.definition.columns.map(({ name }) => [now.ids[name], name]))
  const renames = earlier.definition.columns.map(({ name }) => ({ name, now: names.get(earlier.ids[name]) }))
  if (renames.every((one) => one.name === one.now)) return undefined
  return (value: unknown) => {
    if (!isObject(value)) return value
    const renamed: JsonObject = {}
    for (const one of renames) {
      if (one.now !== undefined && value[one.name] !== undefined) renamed[one.now] = value[one.name]
    }
    return renamed
  }
}

/** A decoder of a stream's events: each has the columns of the newest version of `history`. */
export const eventDecoder = (history: readonly [...ReadonlyArray<AppliedStream>, AppliedStream]) => {
  const now = history[history.length - 1] ?? history[0]
  const convert = fieldsOf(now.definition.columns)
  const renames = history.map((earlier) => renaming(earlier, now))
  return (text: string, version: number): unknown => {
    const rename = version === now.version ? undefined : renames[version - 1]
    const parsed: unknown = JSON.parse(text)
    const value = rename === undefined ? parsed : rename(parsed)
    return convert === undefined ? value : convert(value)
  }
}
