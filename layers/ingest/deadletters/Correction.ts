/** A refused value as a reading: as it is, with fields replaced, or from a line of a file of mended ones. */
import { Result, Schema } from "effect"
import type { Position } from "../../../services/EventLog.ts"
import type { WeatherReading } from "../../../services/Weather.ts"
import { decodeRecordOrReason } from "../http/decodeRecord.ts"
import { parseRecord } from "../http/parseJson.ts"

export interface Correction {
  readonly city?: string | undefined
  readonly temperature?: string | undefined
}

/** A position in the log, as `weather/0/12`, is none of a dead letter. */
const place = /^(?:(?:[^/\s]+-dlq\/)?(\d{1,9})\/)?(\d{1,15})$/

/** `12`, `0/12` or `weather-dlq/0/12`. */
export const positionOf = (text: string): Position | undefined => {
  const [, partition = "0", offset] = place.exec(text) ?? []
  return offset === undefined ? undefined : { partition: Number(partition), offset: Number(offset) }
}

export const written = ({ partition, offset }: Position) => `${partition}/${offset}`

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Null for bytes that are no text. */
export const textOf = (bytes: Uint8Array) => {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

const Fields = Schema.Record(Schema.String, Schema.Unknown)
const decodeFields = Schema.decodeUnknownResult(Fields)

/** City and temperature, whatever they are; all else is surplus. */
const fieldsOf = (value: Uint8Array | null) => {
  if (value === null) return Result.fail("it has no value")
  const text = textOf(value)
  if (text === null) return Result.fail("its value is not valid UTF-8")
  const json = parseRecord(text)
  if (Result.isFailure(json)) return Result.fail(`its value ${json.failure}`)
  const fields = Array.isArray(json.success) ? Result.fail(undefined) : decodeFields(json.success)
  return Result.mapError(fields, () => "its value is no object with city and temperature")
}

const pickedFrom = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(["city", "temperature"].flatMap((name) => (name in fields ? [[name, fields[name]]] : [])))

/** What would be sent for a value, or why nothing can be. */
export const readingOf = (value: Uint8Array | null, mended: Correction = {}): Result.Result<WeatherReading, string> => {
  const given = Object.fromEntries(Object.entries(mended).filter(([, text]) => text !== undefined))
  const found = fieldsOf(value)
  if (Result.isFailure(found) && Object.keys(given).length < 2) return Result.fail(found.failure)
  return decodeRecordOrReason({ ...pickedFrom(Result.getOrElse(found, () => ({}))), ...given })
}

/** What of a value can be read, to be mended. */
export const draftOf = (value: Uint8Array | null) => {
  const fields = Result.getOrElse(fieldsOf(value), (): Readonly<Record<string, unknown>> => ({}))
  const text = (field: unknown) => (typeof field === "string" ? field : null)
  return { city: text(fields.city), temperature: text(fields.temperature) }
}

const Line = Schema.Struct({ position: Schema.String, city: Schema.Unknown, temperature: Schema.Unknown })
const decodeLine = Schema.decodeUnknownResult(Line)

export interface CorrectionLine {
  readonly position: Position
  readonly reading: Result.Result<WeatherReading, string>
}

/** The error is the end of a sentence. */
export const correctionLine = (line: Uint8Array): Result.Result<CorrectionLine, string> => {
  const text = textOf(line)
  if (text === null) return Result.fail("it is not valid UTF-8")
  const json = parseRecord(text)
  if (Result.isFailure(json)) return Result.fail(`it ${json.failure}`)
  const decoded = decodeLine(json.success)
  if (Result.isFailure(decoded)) {
    return Result.fail('it is no object such as {"position":"0/12","city":"Oslo","temperature":"41.5"}')
  }
  const { city, temperature, position } = decoded.success
  const found = positionOf(position)
  if (found === undefined) return Result.fail('its position is not such as "0/12"')
  return Result.succeed({ position: found, reading: decodeRecordOrReason({ city, temperature }) })
}
