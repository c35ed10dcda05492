/** Parses lines of NDJSON and records of CSV into readings. */
import { Option, Result } from "effect"
import { WeatherReading } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import { decodeRecordOrReason } from "../http/decodeRecord.ts"
import { parseRecord } from "../http/parseJson.ts"
import { type Format, isTooLong, type Line, maxLineBytes } from "./lines.ts"

export interface Rejected {
  readonly line: number
  /** Number of lines, if more than one. */
  readonly lines?: number
  readonly reason: string
  /** The start of the text. */
  readonly text: string
}

export type Parsed =
  | { readonly _tag: "Reading"; readonly reading: WeatherReading }
  | { readonly _tag: "Rejected"; readonly rejected: Rejected }
  /** An empty line, the header, or part of a line that is too long. */
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

const field = /(?:"((?:[^"]|"")*)"|([^",][^,]*|))(,|$)/y

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
    return `its first line names ${JSON.stringify(unknown.slice(0, 50))}, but a record has only ${fieldNames.join(" and ")}`
  }
  const missing = fieldNames.find((name) => !names.includes(name))
  if (missing !== undefined) return `its first line does not name ${missing}`
  return new Set(names).size < names.length ? "its first line names a field twice" : undefined
}

const blank = /^[ \t\r\n]*$/
const lineEnd = /\r\n$|\n$|\r$/

export const parser = (format: Format) => {
  let header: ReadonlyArray<string> | undefined
  let startOfLong = ""
  const reject = ({ number, lines }: Line, text: string, reason: string): Parsed => ({
    _tag: "Rejected",
    rejected: { line: number, ...(lines > 1 && { lines }), reason, text: text.slice(0, longestText).toWellFormed() }
  })
  const reading = (line: Line, text: string, value: unknown): Parsed => {
    const decoded = decodeRecordOrReason(value)
    return Result.isSuccess(decoded)
      ? { _tag: "Reading", reading: decoded.success }
      : reject(line, text, decoded.failure)
  }
  const ofCsv = (line: Line, text: string): Parsed => {
    const fields = line.unclosed ? Option.none() : fieldsOf(text)
    if (header === undefined) {
      if (Option.isNone(fields)) return { _tag: "BadHeader", reason: "the quotes in its first line are wrong" }
      const reason = headerProblem(fields.value)
      if (reason !== undefined) return { _tag: "BadHeader", reason }
      header = fields.value
      return { _tag: "Nothing" }
    }
    if (line.unclosed) return reject(line, text, "a quote in it is not closed")
    if (Option.isNone(fields)) return reject(line, text, "it has text after a closing quote")
    if (fields.value.length !== header.length) {
      return reject(
        line,
        text,
        `it has ${plural(fields.value.length, "field")}, and the first line has ${header.length}`
      )
    }
    return reading(line, text, Object.fromEntries(header.map((name, i) => [name, fields.value[i]])))
  }

  return (line: Line): Parsed => {
    if (line.part === "first") startOfLong = line.raw.toString("latin1", 0, longestText)
    if (line.part === "first" || line.part === "next") return { _tag: "Nothing" }
    const unreadable = (text: string, reason: string): Parsed =>
      format === "csv" && header === undefined
        ? { _tag: "BadHeader", reason: `its first line ${reason}` }
        : reject(line, text, `it ${reason}`)
    if (isTooLong(line)) {
      const text = line.part === "last" ? startOfLong : line.raw.toString("latin1", 0, longestText)
      return unreadable(text, `is longer than ${maxLineBytes} bytes`)
    }
    const decoded = textOf(line.raw)
    if (Option.isNone(decoded)) return unreadable(line.raw.toString("latin1"), "is not valid UTF-8")
    const text = (line.number === 1 ? decoded.value.replace(/^\ufeff/, "") : decoded.value).replace(lineEnd, "")
    if (blank.test(text)) return { _tag: "Nothing" }
    if (format === "csv") return ofCsv(line, text)
    const value = parseRecord(text)
    return Result.isSuccess(value) ? reading(line, text, value.success) : reject(line, text, `it ${value.failure}`)
  }
}
