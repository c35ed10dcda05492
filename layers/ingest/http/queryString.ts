/** Decodes query strings strictly: the platform's parsers silently replace invalid bytes. */
import { Result } from "effect"
import type { WeatherReading } from "../../../services/Weather.ts"
import { decodeRecord } from "./decodeRecord.ts"
import { type ErrorResponse, type FieldError, invalid, maxErrors, shown } from "./ErrorResponse.ts"

const plain = /^[\x21\x22\x24-\x7e]*$/

const unescape = (text: string): string | undefined => {
  if (!plain.test(text)) return undefined
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text
  if (!spaced.includes("%")) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return undefined
  }
}

const broken = "is not valid percent-encoded UTF-8"

/** `city=…&temperature=…` in any order, each exactly once, and nothing else. */
export const readingOf = (query: string): Result.Result<WeatherReading, ErrorResponse> => {
  const fields: { city?: string; temperature?: string } = {}
  const errors: Array<FieldError> = []
  for (let start = 0; start < query.length && errors.length < maxErrors; ) {
    const and = query.indexOf("&", start)
    const end = and === -1 ? query.length : and
    const equals = query.indexOf("=", start)
    const nameEnd = equals === -1 || equals > end ? end : equals
    if (end > start) {
      const name = unescape(query.slice(start, nameEnd))
      const value = unescape(query.slice(Math.min(nameEnd + 1, end), end))
      if (name === undefined) errors.push({ field: "query", message: broken })
      else if (name !== "city" && name !== "temperature") {
        errors.push({
          field: name === "" ? "query" : shown(name),
          message: name === "ts" ? "is set by the server" : "is not a known parameter"
        })
      } else if (value === undefined) errors.push({ field: name, message: broken })
      else if (fields[name] !== undefined) errors.push({ field: name, message: "must not be given twice" })
      else fields[name] = value
    }
    start = end + 1
  }
  if (errors.length > 0) return Result.fail(invalid(errors))
  return Result.mapError(decodeRecord(fields), invalid)
}
