/** Decodes the body of `POST /events`: JSON or NDJSON, plain or gzipped. */
import { Result } from "effect"
import { jsonTypes, maxRecords, ndjsonTypes } from "../../../services/Api.ts"
import type { WeatherReading } from "../../../services/Weather.ts"
import { decodeRecords } from "./decodeRecord.ts"
import { type ErrorResponse, errorResponse, type FieldError, invalid, maxErrors } from "./ErrorResponse.ts"
import { maxValues, parseJson, shapeOf } from "./parseJson.ts"

export type Format = "json" | "ndjson"

const unsupportedType = errorResponse(
  415,
  "The content type must be application/json or application/x-ndjson, in UTF-8.",
  [{ field: "Content-Type", message: "must be application/json or application/x-ndjson, in UTF-8" }],
  { Accept: [...jsonTypes, ...ndjsonTypes].join(", ") }
)
const unsupportedEncoding = errorResponse(
  415,
  "The content encoding must be gzip or identity.",
  [{ field: "Content-Encoding", message: "must be gzip or identity" }],
  { "Accept-Encoding": "gzip, identity" }
)
const tooMany = errorResponse(
  413,
  "A request may have at most 10,000 records of two fields each; send the rest in another request.",
  [{ field: "body", message: "must have at most 10,000 records" }]
)
const notJson = invalid([{ field: "body", message: "is not valid JSON" }])
const neither = invalid([{ field: "body", message: "must be an array of records, or one record" }])
const empty = invalid([{ field: "body", message: "must have at least one record" }])

export const formatOf = (contentType: string | undefined): Result.Result<Format, ErrorResponse> => {
  const [type = "", ...parameters] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase())
  const charsets = parameters.filter((parameter) => /^charset\s*(=|$)/.test(parameter))
  if (charsets.length > 1 || !charsets.every((charset) => /^charset=(utf-?8|"utf-?8")$/.test(charset))) {
    return Result.fail(unsupportedType)
  }
  if (jsonTypes.includes(type)) return Result.succeed("json")
  return ndjsonTypes.includes(type) ? Result.succeed("ndjson") : Result.fail(unsupportedType)
}

/** Whether the body is gzipped. */
export const encodingOf = (contentEncoding: string | undefined): Result.Result<boolean, ErrorResponse> => {
  const encoding = (contentEncoding ?? "identity").trim().toLowerCase()
  if (encoding === "gzip" || encoding === "x-gzip") return Result.succeed(true)
  return encoding === "identity" ? Result.succeed(false) : Result.fail(unsupportedEncoding)
}

const ofJson = (text: string): Result.Result<ReadonlyArray<WeatherReading>, ErrorResponse> => {
  const parsed = parseJson(text)
  if (Result.isFailure(parsed)) return Result.fail(notJson)
  const value = parsed.success
  if (Array.isArray(value)) return ofValues(value)
  return typeof value === "object" && value !== null ? ofValues([value]) : Result.fail(neither)
}

const ofNdjson = (text: string): Result.Result<ReadonlyArray<WeatherReading>, ErrorResponse> => {
  const lines = text.trimEnd().split("\n", maxRecords + 1)
  if (lines.length > maxRecords) return Result.fail(tooMany)
  if (lines.length === 1 && lines[0] === "") return Result.fail(empty)
  const values: Array<unknown> = []
  const errors: Array<FieldError> = []
  for (const [index, line] of lines.entries()) {
    const parsed = parseJson(line)
    if (Result.isSuccess(parsed)) values.push(parsed.success)
    else errors.push({ field: `[${index}]`, message: "is not valid JSON" })
    if (errors.length === maxErrors) break
  }
  return errors.length > 0 ? Result.fail(invalid(errors)) : ofValues(values)
}

const ofValues = (values: ReadonlyArray<unknown>) => {
  if (values.length === 0) return Result.fail(empty)
  return values.length > maxRecords ? Result.fail(tooMany) : decodeRecords(values)
}

export const recordsOf = (text: string, format: Format) => {
  const { values, crowded } = shapeOf(text)
  if (values > maxValues) return Result.fail(tooMany)
  const records = format === "json" ? ofJson(text) : ofNdjson(text)
  if (Result.isFailure(records) || crowded === undefined) return records
  // Each record decoded to exactly two fields, so a third member is a duplicate.
  return Result.fail(invalid([{ field: `[${crowded}]`, message: "names a field twice" }]))
}
