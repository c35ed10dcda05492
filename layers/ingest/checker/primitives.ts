/** The primitive types: which JSON values each one takes, and the canonical JSON value of each. */
import type { ColumnType } from "../../../services/StreamDefinition.ts"
import { decimalOf, doubleOf, floatOf, intOf, longOf } from "./numbers.ts"
import { base64Of, uuidOf } from "./texts.ts"
import { dateOf, timeOf, timestampOf, timestamptzOf } from "./times.ts"

/** Takes `text` from `from` to `to` and gives the canonical value, or undefined for a text that is not of the type. */
export type Convert = (text: string, from: number, to: number) => string | undefined

export interface PrimitiveType {
  /** The predicate of an error: what a value must be. */
  readonly expected: string
  /** A string of this content. */
  readonly ofString?: Convert
  /** A JSON number of these digits. */
  readonly ofNumber?: Convert
  readonly isBoolean?: boolean
  /** The canonical value is a JSON string; else it is a number. */
  readonly isQuoted: boolean
}

const types = {
  boolean: { expected: "must be true or false", isBoolean: true, isQuoted: false },
  int: {
    expected: "must be an integer from -2147483648 to 2147483647, as a JSON number",
    ofNumber: intOf,
    isQuoted: false
  },
  long: {
    expected:
      "must be an integer from -9223372036854775808 to 9223372036854775807, as a JSON number or a string that holds one",
    ofNumber: longOf,
    ofString: longOf,
    isQuoted: true
  },
  float: {
    expected: "must be a JSON number in the range of a 32-bit float",
    ofNumber: floatOf,
    isQuoted: false
  },
  double: { expected: "must be a JSON number in the range of a double", ofNumber: doubleOf, isQuoted: false },
  date: { expected: "must be a date that exists, for example 2026-11-27", ofString: dateOf, isQuoted: true },
  time: {
    expected: "must be a time with at most 6 digits of a second, for example 10:11:12.5",
    ofString: timeOf,
    isQuoted: true
  },
  timestamp: {
    expected:
      "must be a date and a time that exist, without a zone and with at most 6 digits of a second, for example 2026-11-27T10:11:12.5",
    ofString: timestampOf,
    isQuoted: true
  },
  timestamptz: {
    expected:
      "must be a date and a time that exist, with a zone (RFC 3339) and at most 6 digits of a second, for example 2026-11-27T10:11:12.5Z",
    ofString: timestamptzOf,
    isQuoted: true
  },
  uuid: {
    expected: "must be a UUID, for example 8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c",
    ofString: uuidOf,
    isQuoted: true
  },
  binary: { expected: "must be base64 with padding, for example aGVsbG8=", ofString: base64Of, isQuoted: true }
} satisfies Record<string, PrimitiveType>

const decimal = (precision: number, scale: number): PrimitiveType => {
  const convert = decimalOf(precision, scale)
  const where = scale === 0 ? "before the point and none" : `before the point and ${scale}`
  return {
    expected: `must be a decimal number with at most ${precision - scale} digits ${where} after it, as a JSON number or a string that holds one`,
    ofNumber: convert,
    ofString: convert,
    isQuoted: true
  }
}

type Name = Exclude<ColumnType["type"], "struct" | "list" | "map">

const isSimple = (name: Name): name is keyof typeof types => Object.hasOwn(types, name)

/** undefined for `string`, `json` and `accepted`, which are no conversions. */
export const primitiveOf = (name: Name): PrimitiveType | undefined => {
  if (name === "string" || name === "json" || name === "accepted") return undefined
  if (isSimple(name)) return types[name]
  const [precision = 0, scale = 0] = (name.match(/\d+/g) ?? []).map(Number)
  return decimal(precision, scale)
}
