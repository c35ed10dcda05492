/** Decodes readings from queries and JSON with the one Schema, and names the fields that are wrong. */
import { Result, Schema, SchemaIssue, SchemaParser } from "effect"
import { WeatherReading } from "../../../services/Weather.ts"
import { type ErrorResponse, type FieldError, invalid, maxErrors, shown } from "./ErrorResponse.ts"

const decode = SchemaParser.decodeUnknownResult(WeatherReading, { onExcessProperty: "error" })
const decodeFully = SchemaParser.decodeUnknownResult(WeatherReading, { onExcessProperty: "error", errors: "all" })
const decodeMany = SchemaParser.decodeUnknownResult(Schema.Array(WeatherReading), { onExcessProperty: "error" })

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    switch (issue._tag) {
      case "MissingKey":
        return "is required"
      case "UnexpectedKey":
        return "is not a known field"
      case "InvalidType":
        return issue.ast._tag === "String" ? "must be a string" : "must be an object with city and temperature"
      default:
        return SchemaIssue.defaultLeafHook(issue)
    }
  }
})

const errorsOf = (issue: SchemaIssue.Issue, place: string): ReadonlyArray<FieldError> =>
  issuesOf(issue).issues.map(({ path, message }) => {
    const name = (path ?? []).map((key) => shown(String(typeof key === "object" ? key.key : key))).join(".")
    if (name === "") return { field: place === "" ? "body" : place, message }
    const field = place === "" ? name : `${place}.${name}`
    if (name === "ts" && message === "is not a known field") return { field, message: "is set by the server" }
    if (name === "temperature" && message === "must be a string") {
      return { field, message: "must be a number, or a string that holds one" }
    }
    return { field, message }
  })

/** Of an object with very many fields, only the first unknown one is named. */
const decodeNaming = (input: unknown) =>
  typeof input === "object" && input !== null && Object.keys(input).length > maxErrors
    ? decode(input)
    : decodeFully(input)

/** One reading; the errors name its fields. */
export const decodeRecord = (input: unknown): Result.Result<WeatherReading, ReadonlyArray<FieldError>> => {
  const result = decode(input)
  return Result.isSuccess(result)
    ? Result.succeed(result.success)
    : Result.mapError(decodeNaming(input), (issue) => errorsOf(issue, ""))
}

const sentence = ({ field, message }: FieldError) => `${field === "body" ? "it" : field} ${message}`

/** Like {@link decodeRecord}, with all errors in one text. */
export const decodeRecordOrReason = (input: unknown): Result.Result<WeatherReading, string> =>
  Result.mapError(decodeRecord(input), (errors) => errors.map(sentence).join("; "))

/** The readings of one request; errors name index and field, up to `maxErrors`. */
export const decodeRecords = (
  inputs: ReadonlyArray<unknown>
): Result.Result<ReadonlyArray<WeatherReading>, ErrorResponse> => {
  const result = decodeMany(inputs)
  if (Result.isSuccess(result)) return Result.succeed(result.success)
  const errors: Array<FieldError> = []
  for (let index = 0; index < inputs.length && errors.length < maxErrors; index++) {
    const one = decodeNaming(inputs[index])
    if (Result.isFailure(one)) errors.push(...errorsOf(one.failure, `[${index}]`))
  }
  return Result.fail(invalid(errors.slice(0, maxErrors)))
}
