/** What a client may send for a column, as JSON Schema. */
import { type Column, type ColumnType, decimalOf, type Rules } from "../../../services/StreamDefinition.ts"
import { maxElements } from "../checker/limits.ts"

type JsonSchema = Readonly<Record<string, unknown>>

/** The largest 64-bit integer that is also a double, rounded towards 0. */
const int64 = 2 ** 63 - 1024
const largestFloat = 3.4028234663852886e38
const smallestFloat = 1.401298464324817e-45

const ordinaryDay =
  "\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
const leapDay = "(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29"
export const day = `(?!0000)(${ordinaryDay}|${leapDay})`
const clock = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?"
const sextet = "[A-Za-z0-9+/]"
const base64 = `^(${sextet}{4})*(${sextet}[AQgw]==|${sextet}{2}[AEIMQUYcgkosw048]=)?$`

const decimal = (precision: number, scale: number): JsonSchema => {
  const whole = precision - scale
  const before = whole === 0 ? "0" : `(0|[1-9]\\d{0,${whole - 1}})`
  const after = scale === 0 ? "(\\.0+)?" : `(\\.\\d{1,${scale}}0*)?`
  const limit = 10 ** Math.min(whole, 15) - 1
  return {
    description: `A decimal number with at most ${whole} digits before the point and ${scale} after it`,
    anyOf: [
      { type: "number", multipleOf: Number(`1e-${scale}`), minimum: -limit, maximum: limit },
      { type: "string", pattern: `^-?${before}${after}$` }
    ]
  }
}

const typed = (type: Exclude<ColumnType["type"], "struct" | "list" | "map">): JsonSchema => {
  switch (type) {
    case "boolean":
      return { type: "boolean" }
    case "int":
      return { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }
    case "long":
      return {
        anyOf: [
          { type: "integer", format: "int64", minimum: -int64, maximum: int64 },
          { type: "string", pattern: "^-?(0|[1-9]\\d{0,17}|[1-8]\\d{18})$" }
        ]
      }
    case "float":
      return {
        anyOf: [
          { const: 0 },
          { type: "number", format: "float", minimum: smallestFloat, maximum: largestFloat },
          { type: "number", format: "float", minimum: -largestFloat, maximum: -smallestFloat }
        ]
      }
    case "double":
      return { type: "number", format: "double" }
    case "date":
      return { type: "string", format: "date", pattern: `^${day}$` }
    case "time":
      return { type: "string", pattern: `^${clock}$` }
    case "timestamp":
      return { type: "string", pattern: `^${day}T${clock}$` }
    case "timestamptz":
    case "accepted":
      return { type: "string", format: "date-time" }
    case "string":
      return { type: "string" }
    case "uuid":
      return { type: "string", format: "uuid" }
    case "binary":
      return { type: "string", contentEncoding: "base64", pattern: base64 }
    case "json":
      return {}
    default: {
      const { precision = 0, scale = 0 } = decimalOf(type) ?? {}
      return decimal(precision, scale)
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
