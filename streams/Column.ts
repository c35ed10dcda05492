/**
 * The types of columns that Effect's own schemas do not have. A schema here only declares a column: the server checks events
 * with a checker that is compiled from the declaration.
 *
 * User code sees int, float and double as a number, long as a bigint, and every other type as its canonical string.
 */
import { BigDecimal, Schema } from "effect"
import { annotation } from "./annotation.ts"

/** Limits of a decimal, as text, because a number would round them. */
export interface DecimalRules {
  readonly minimum?: string
  readonly maximum?: string
  readonly exclusiveMinimum?: string
  readonly exclusiveMaximum?: string
}

/** The type of `accepted`, whose value no row of a processor has. */
export interface Accepted extends Schema.String {
  readonly "~floe/accepted": true
}

const text = (type: string) => Schema.String.annotate({ [annotation]: { type } })

/** A 32-bit integer. */
export const int = Schema.Int.check(
  Schema.isBetween({ minimum: -2_147_483_648, maximum: 2_147_483_647 }, { [annotation]: { type: "int" } })
)
/** A 64-bit integer. Clients send a JSON number that is exact, or a string. */
export const long = Schema.BigInt.annotate({ [annotation]: { type: "long" } })
/** A 32-bit IEEE 754 number. `Schema.Finite` is the 64-bit one. */
export const float = Schema.Finite.annotate({ [annotation]: { type: "float" } })
/** A decimal number with `precision` digits (1–38), `scale` of them after the point. */
export const decimal = (precision: number, scale: number, rules?: DecimalRules) =>
  Schema.String.annotate({
    [annotation]: { type: `decimal(${precision},${scale})`, ...(rules === undefined ? {} : { rules }) }
  })
/** A point in time with microseconds: RFC 3339, kept in UTC. */
export const timestamptz = text("timestamptz")
/** A date and a time without a zone, with microseconds. */
export const timestamp = text("timestamp")
/** A date, `2026-11-27`. */
export const date = text("date")
/** A time of day with microseconds. */
export const time = text("time")
/** A UUID, kept in lower case. */
export const uuid = text("uuid")
/** Bytes, as base64. */
export const binary = text("binary")
/** Any JSON value, kept as JSON text in a string column. */
export const json = text("json")
/** The time at which the server accepted the event, a timestamptz. Clients cannot send it. */
export const accepted: Accepted = Object.assign(text("accepted"), { "~floe/accepted": true } as const)

const canonical = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?Z?)?$/

/**
 * Milliseconds since 1970 of a canonical timestamptz, timestamp or date; microseconds are cut off. A timestamp and a date
 * count as UTC. Throws a RangeError for any other text.
 */
export const toMillis = (value: string): number => {
  const millis = canonical.test(value)
    ? Date.parse(value.length > 10 && !value.endsWith("Z") ? `${value}Z` : value)
    : NaN
  // Date.parse takes February 30 for March 2.
  const isDay = !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(value.slice(0, 10))
  if (!isDay) throw new RangeError(`${JSON.stringify(value)} is no timestamptz, timestamp or date`)
  return millis
}

/** A decimal's canonical text as a BigDecimal. Throws for a text that is no decimal number. */
export const toBigDecimal = (value: string): BigDecimal.BigDecimal => BigDecimal.fromStringUnsafe(value)
