/** The reading to send for a dead letter: its value, with corrected fields, or from a line of a corrections file. */
import { Result, Schema } from "effect"
import type { Position } from "../../../services/EventLog.ts"
import type { WeatherReading } from "../../../services/Weather.ts"
import { decodeRecordOrReason } from "../http/decodeRecord.ts"
import { parseRecord } from "../http/parseJson.ts"

export interface Correction {
  readonly city?: string | undefined
  readonly temperature?: string | undefined
}

const place = /^(?:(?:[^/\s]+-dlq\/)?(\d{1,9})\/)?(\d{1,15})$/

/** Parses `12`, `0/12` or `weather-dlq/0/12`. */
export const positionOf = (text: string): Position | undefined => {
  const [, partition = "0", offset] = place.exec(text) ?? []
  return offset === undefined ? undefined : { partition: Number(partition), offset: Number(offset) }
}

export const formatPosition = ({ partition, offset }: Position) => `${partition}/${offset}`

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Null if the bytes are not UTF-8. */
export const textOf = (bytes: Uint8Array) => {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

const Fields = Schema.Record(Schema.String, Schema.Unknown)
const decodeFields = Schema.decodeUnknownResult(Fields)

const fieldsOf = (value: Uint8Array | null) => {
  if (value === null) return Result.fail("it has no value")
  const text = textOf(value)
  if (text === null) return Result.fail("its value is not valid UTF-8")
  const json = parseRecord(text)
  if (Result.isFailure(json)) return Result.fail(`its value ${json.failure}`)
  const fields = Array.isArray(json.success) ? Result.fail(undefined) : decodeFields(json.success)
  return Result.mapError(fields, () => "its value is not an object with city and temperature")
}

const pickedFrom = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(["city", "temperature"].flatMap((name) => (name in fields ? [[name, fields[name]]] : [])))

/** The reading for a value, or why there is none. */
export const readingOf = (
  value: Uint8Array | null,
  correction: Correction = {}
): Result.Result<WeatherReading, string> => {
  const given = Object.fromEntries(Object.entries(correction).filter(([, text]) => text !== undefined))
  const fields = fieldsOf(value)
  if (Result.isFailure(fields) && Object.keys(given).length < 2) return Result.fail(fields.failure)
  return decodeRecordOrReason({ ...pickedFrom(Result.getOrElse(fields, () => ({}))), ...given })
}

/** The fields of a value that are text, as a start for a correction. */
export const draftOf = (value: Uint8Array | null) => {
  const fields = Result.getOrElse(fieldsOf(value), (): Readonly<Record<string, unknown>> => ({}))
  const text = (field: unknown) => (typeof field === "string" ? field : null)
  return { city: text(fields.city), temperature: text(fields.temperature) }
}

const Line = Schema.Struct({ position: Schema.String, city: Schema.Unknown, temperature: Schema.Unknown })
const decodeLine = Schema.decodeUnknownResult(Line)

export interface CorrectionLine<R = WeatherReading> {
  readonly position: Position
  readonly reading: Result.Result<R, string>
}

/** The error is the end of a sentence. */
export const correctionLine = (line: Uint8Array): Result.Result<CorrectionLine, string> => {
  const text = textOf(line)
  if (text === null) return Result.fail("it is not valid UTF-8")
  const json = parseRecord(text)
  if (Result.isFailure(json)) return Result.fail(`it ${json.failure}`)
  const decoded = decodeLine(json.success)
  if (Result.isFailure(decoded)) {
    return Result.fail('it is not an object like {"position":"0/12","city":"Oslo","temperature":"41.5"}')
  }
  const { city, temperature, position } = decoded.success
  const parsed = positionOf(position)
  if (parsed === undefined) return Result.fail('its position is not of the form "0/12"')
  return Result.succeed({ position: parsed, reading: decodeRecordOrReason({ city, temperature }) })
}
