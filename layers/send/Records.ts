/** A line of NDJSON or CSV as a reading, or why it is none. */
import { Option, Result } from "effect"
import { WeatherReading } from "../../services/Weather.ts"
import { parseRecord } from "../http/parseJson.ts"
import { readingOrReason } from "../http/Reading.ts"
import { type Line, maxLineBytes } from "./Lines.ts"

export type Format = "ndjson" | "csv"

export interface Refused {
  readonly line: number
  readonly reason: string
  /** As far as it is short enough for a report. */
  readonly text: string
}

export type Parsed =
  | { readonly _tag: "Reading"; readonly reading: WeatherReading }
  | { readonly _tag: "Refused"; readonly refused: Refused }
  /** An empty line, or the header. */
  | { readonly _tag: "Nothing" }
  | { readonly _tag: "BadHeader"; readonly reason: string }

const longestText = 1000

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const textOf = (bytes: Buffer) => {
  try {
    return Option.some(utf8.decode(bytes))
  } catch {
    return Option.none<string>()
  }
}

const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y

/** The fields of one line by RFC 4180; none if its quotes are wrong. */
const fieldsOf = (text: string): Option.Option<ReadonlyArray<string>> => {
  const fields: Array<string> = []
  field.lastIndex = 0
  for (;;) {
    const match = field.exec(text)
    if (match === null) return Option.none()
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "")
    if (match[3] === "") return Option.some(fields)
  }
}

const fieldNames = Object.keys(WeatherReading.fields)

const headerProblem = (names: ReadonlyArray<string>) => {
  const unknown = names.find((name) => !fieldNames.includes(name))
  if (unknown !== undefined) {
    return `its first line names ${JSON.stringify(unknown.slice(0, 50))}, and a record has ${fieldNames.join(" and ")} only`
  }
  const missing = fieldNames.find((name) => !names.includes(name))
  if (missing !== undefined) return `its first line does not name ${missing}`
  return new Set(names).size < names.length ? "its first line names a field twice" : undefined
}

export const parser = (format: Format) => {
  let header: ReadonlyArray<string> | undefined
  const refuse = (line: Line, text: string, reason: string): Parsed => ({
    _tag: "Refused",
    refused: { line: line.number, reason, text: text.slice(0, longestText) }
  })
  const reading = (line: Line, text: string, value: unknown): Parsed => {
    const decoded = readingOrReason(value)
    return Result.isSuccess(decoded)
      ? { _tag: "Reading", reading: decoded.success }
      : refuse(line, text, decoded.failure)
  }
  const ofCsv = (line: Line, text: string): Parsed => {
    const fields = fieldsOf(text)
    if (header === undefined) {
      if (Option.isNone(fields)) return { _tag: "BadHeader", reason: "the quotes in its first line are wrong" }
      header = fields.value
      const reason = headerProblem(header)
      return reason === undefined ? { _tag: "Nothing" } : { _tag: "BadHeader", reason }
    }
    if (Option.isNone(fields)) return refuse(line, text, "its quotes are wrong")
    if (fields.value.length !== header.length) {
      return refuse(line, text, `it has ${fields.value.length} fields, and the first line has ${header.length}`)
    }
    return reading(line, text, Object.fromEntries(header.map((name, i) => [name, fields.value[i]])))
  }

  return (line: Line): Parsed => {
    if (line.isRest) return { _tag: "Nothing" }
    if (line.tooLong) {
      return refuse(line, line.raw.toString("latin1", 0, longestText), `it is longer than ${maxLineBytes} bytes`)
    }
    const found = textOf(line.raw)
    if (Option.isNone(found)) return refuse(line, line.raw.toString("latin1"), "it is not valid UTF-8")
    const text = (line.number === 1 ? found.value.replace(/^\ufeff/, "") : found.value).replace(/\r?\n$/, "")
    if (text.trim() === "") return { _tag: "Nothing" }
    if (format === "csv") return ofCsv(line, text)
    const value = parseRecord(text)
    return Result.isSuccess(value) ? reading(line, text, value.success) : refuse(line, text, `it ${value.failure}`)
  }
}
