/** What a client may send for a column, as JSON Schema. */
import type { Column, ColumnType, Rules } from "../../../services/StreamDefinition.ts"
import { maxElements } from "../checker/limits.ts"

type JsonSchema = Readonly<Record<string, unknown>>

const long = "-?(0|[1-9]\\d*)"
const digits = "^-?\\d+(\\.\\d+)?([eE][+-]?\\d+)?$"

const typed = (type: Exclude<ColumnType["type"], "struct" | "list" | "map">): JsonSchema => {
  switch (type) {
    case "boolean":
      return { type: "boolean" }
    case "int":
      return { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }
    case "long":
      return {
        anyOf: [
          { type: "integer", format: "int64" },
          { type: "string", pattern: `^${long}$` }
        ]
      }
    case "float":
    case "double":
      return { type: "number", format: type }
    case "date":
      return { type: "string", format: "date" }
    case "time":
      return { type: "string", pattern: "^\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,6})?$" }
    case "timestamp":
      return { type: "string", pattern: "^\\d{4}-\\d\\d-\\d\\d[Tt]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,6})?$" }
    case "timestamptz":
    case "accepted":
      return { type: "string", format: "date-time" }
    case "string":
      return { type: "string" }
    case "uuid":
      return { type: "string", format: "uuid" }
    case "binary":
      return { type: "string", contentEncoding: "base64" }
    case "json":
      return {}
    default: {
      const [precision = "", scale = ""] = type.match(/\d+/g) ?? []
      const description = `A decimal number with at most ${precision} digits, ${scale} of them after the point`
      return { description, anyOf: [{ type: "number" }, { type: "string", pattern: digits }] }
    }
  }
}

const numeric = (value: number | string | undefined) => (typeof value === "number" ? value : undefined)

/** Limits of long and decimal are texts, which JSON Schema has no words for. */
const ruled = (rules: Rules = {}): JsonSchema => {
  const words = {
    minLength: rules.minLength,
    maxLength: rules.maxLength,
    pattern: rules.pattern?.flags === "" ? rules.pattern.source : undefined,
    enum: rules.oneOf,
    minimum: numeric(rules.minimum),
    maximum: numeric(rules.maximum),
    exclusiveMinimum: numeric(rules.exclusiveMinimum),
    exclusiveMaximum: numeric(rules.exclusiveMaximum),
    multipleOf: rules.multipleOf
  }
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined))
}

const orNull = (schema: JsonSchema, nullable: boolean): JsonSchema =>
  nullable ? { anyOf: [schema, { type: "null" }] } : schema

const schemaOf = (column: ColumnType): JsonSchema => {
  switch (column.type) {
    case "struct":
      return objectOf(column.fields)
    case "list": {
      const { minItems = 0, maxItems = maxElements } = column.rules ?? {}
      return { type: "array", items: orNull(schemaOf(column.element), column.nullable), minItems, maxItems }
    }
    case "map": {
      const { minItems = 0, maxItems = maxElements } = column.rules ?? {}
      const values = orNull(schemaOf(column.value), column.nullable)
      return { type: "object", additionalProperties: values, minProperties: minItems, maxProperties: maxItems }
    }
    default:
      return { ...typed(column.type), ...ruled(column.rules) }
  }
}

/** An event of these columns, without those that the server sets. */
export const objectOf = (columns: ReadonlyArray<Column>): JsonSchema => {
  const sent = columns.filter(({ type }) => type !== "accepted")
  const properties = sent.map((column) => {
    const schema = orNull(schemaOf(column), !column.required)
    return [column.name, column.doc === undefined ? schema : { ...schema, description: column.doc }]
  })
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    required: sent.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: false
  }
}
