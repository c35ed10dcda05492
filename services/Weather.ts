/**
 * The weather event: the source for HTTP decoding, the OpenAPI document, the log's values and the table's columns.
 * Owns: the fields, their rules, their order. Does not own: storage.
 */
import { Schema } from "effect"
import type { AppliedStream } from "./StreamDefinition.ts"

const codePoints = (text: string) => {
  let count = 0
  for (const _ of text) count++
  return count
}

/** Spelled out because regular expression engines differ in \s: no control characters, at least one non-blank. */
const control = "\\x00-\\x1f\\x7f-\\x9f"
const blank = "\\x20\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
const cityPattern = `^[^${control}]*[^${control}${blank}][^${control}]*$`

/** 1–256 code points of well-formed Unicode, no control characters, not only white space; never trimmed. */
export const City = Schema.String.check(
  Schema.makeFilter(
    (city: string) => {
      if (city === "") return "must not be empty"
      if (!city.isWellFormed()) return "must be well-formed Unicode (it holds a lone surrogate)"
      if (/\p{Cc}/u.test(city)) return "must not contain control characters"
      if (!/\S/u.test(city)) return "must not be only white space"
      if (city.length > 256 && codePoints(city) > 256) return "must be at most 256 characters"
      return true
    },
    {
      title: "City",
      description: "1–256 characters, no control characters, not only white space",
      toJsonSchema: () => ({ minLength: 1, maxLength: 256, pattern: cityPattern })
    }
  )
).annotate({ description: "Name of the city", examples: ["North Sharonstad"] })

const decimal = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/u

/** In 32 characters, every number with such an exponent is finite as a double. (The server also accepts the few finite ones beyond 279.) */
const finitePattern = "^-?\\d+(\\.\\d+)?([eE](-\\d+|\\+?0*(\\d{1,2}|1\\d\\d|2[0-7]\\d)))?$"

/** A decimal number as text, kept exactly as sent; finite as a double, at most 32 characters. */
export const Temperature = Schema.String.check(
  Schema.makeFilter(
    (temperature: string) => {
      if (temperature === "") return "must not be empty"
      if (temperature.length > 32) return "must be at most 32 characters"
      if (!decimal.test(temperature)) return "must be a decimal number, for example 72.5"
      if (!Number.isFinite(Number(temperature))) return "must be finite as a double"
      return true
    },
    {
      title: "Temperature",
      description: "a decimal number as text, at most 32 characters",
      toJsonSchema: () => ({ minLength: 1, maxLength: 32, pattern: finitePattern })
    }
  )
).annotate({ description: "Temperature in °F, as text", examples: ["80.59"] })

/** An hour in UTC, `YYYY-MM-DD-HH`: the hour of acceptance and the table's partition. */
export const Hour = Schema.String.check(
  Schema.isPattern(/^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])-([01]\d|2[0-3])$/u)
).annotate({ description: "Hour of acceptance in UTC, YYYY-MM-DD-HH", examples: ["2026-01-08-14"] })

/** A reading as a client sends it. */
export const WeatherReading = Schema.Struct({ city: City, temperature: Temperature })
export type WeatherReading = typeof WeatherReading.Type

/** A reading as JSON, in which the temperature may be a number; its digits are kept as written. */
export const WeatherReadingJson = Schema.Struct({
  city: City,
  temperature: Schema.Union([Temperature, Schema.Finite]).annotate({
    description:
      "Temperature in °F: a number, or a string that contains one; the digits are kept as sent, at most 32 characters"
  })
})

/** A logged event, and a row of the table: these three fields in this order. */
export const WeatherRecord = Schema.Struct({ ...WeatherReading.fields, ts: Hour })
export type WeatherRecord = typeof WeatherRecord.Type

/** The table's columns in order; field ids start at 1. */
export const columns = ["city", "temperature", "ts"] as const satisfies ReadonlyArray<keyof WeatherRecord>

/** The first millisecond of the year 10000. */
const lastHourEnds = Date.UTC(10_000, 0)

/** Whether a time (milliseconds since 1970) is in the years 1970 to 9999, the range of hours. */
export const hasHour = (millis: number) => millis >= 0 && millis < lastHourEnds

/** The hour in UTC of a time in milliseconds since 1970. */
export const hourOf = (millis: number) => new Date(millis).toISOString().slice(0, 13).replace("T", "-")

/** The definition of the built-in stream, in the form of a user's. */
export const weatherStream: AppliedStream = {
  definition: {
    name: "weather",
    columns: columns.map((name) => ({ name, type: "string", required: true })),
    key: null,
    partitionBy: [{ column: "ts", transform: "identity" }]
  },
  version: 1,
  ids: { city: 1, temperature: 2, ts: 3 },
  lastId: 3,
  appliedAt: 0
}
