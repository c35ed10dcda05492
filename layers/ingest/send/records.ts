/** Parses lines of NDJSON and records of CSV into readings, or into whatever a file has lines of. */
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

type Parsed<R> =
  | { readonly _tag: "Reading"; readonly reading: R }
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

export interface Cell {
  readonly text: string
  readonly isQuoted: boolean
}

const cellsOf = (text: string): Option.Option<ReadonlyArray<Cell>> => {
  const fields: Array<Cell> = []
  field.lastIndex = 0
  for (;;) {
    const match = field.exec(text)
    if (match === null) return Option.none()
    fields.push({ text: match[1]?.replaceAll('""', '"') ?? match[2] ?? "", isQuoted: match[1] !== undefined })
    if (match[3] === "") return Option.some(fields)
  }
}

/** How the lines of a file become what is sent. The errors are predicates or sentences without their end. */
export interface LineKind<R> {
  /** Why the first line of a CSV file is no header; undefined if it is one. */
  readonly headerProblem: (names: ReadonlyArray<string>) => string | undefined
  readonly ofCells: (names: ReadonlyArray<string>, cells: ReadonlyArray<Cell>) => Result.Result<R, string>
  /** A line of NDJSON. */
  readonly ofText: (text: string) => Result.Result<R, string>
}

const fieldNames = Object.keys(WeatherReading.fields)

export const namesTwice = (names: ReadonlyArray<string>) =>
  new Set(names).size < names.length ? "its first line names a field twice" : undefined

const weather: LineKind<WeatherReading> = {
  headerProblem: (names) => {
    const unknown = names.find((name) => !fieldNames.includes(name))
    if (unknown !== undefined) {
      return `its first line names ${JSON.stringify(unknown.slice(0, 50))}, but a record has only ${fieldNames.join(" and ")}`
    }
    const missing = fieldNames.find((name) => !names.includes(name))
    return missing === undefined ? namesTwice(names) : `its first line does not name ${missing}`
  },
  ofCells: (names, cells) => decodeRecordOrReason(Object.fromEntries(names.map((name, i) => [name, cells[i]?.text]))),
  ofText: (text) =>
    Result.flatMap(
      Result.mapError(parseRecord(text), (failure) => `it ${failure}`),
      decodeRecordOrReason
    )
}

const blank = /^[ \t\r\n]*$/
const lineEnd = /\r\n$|\n$|\r$/

/** A parser for the lines of a file, in their order. */
export type LineParser<R> = (format: Format) => (line: Line) => Parsed<R>

export const parserOf =
  <R>(kind: LineKind<R>): LineParser<R> =>
  (format) => {
    let header: ReadonlyArray<string> | undefined
    let startOfLong = ""
    const reject = ({ number, lines }: Line, text: string, reason: string): Parsed<R> => ({
      _tag: "Rejected",
      rejected: { line: number, ...(lines > 1 && { lines }), reason, text: text.slice(0, longestText).toWellFormed() }
    })
    const reading = (line: Line, text: string, decoded: Result.Result<R, string>): Parsed<R> =>
      Result.isSuccess(decoded) ? { _tag: "Reading", reading: decoded.success } : reject(line, text, decoded.failure)
    const ofCsv = (line: Line, text: string): Parsed<R> => {
      const fields = line.unclosed ? Option.none() : cellsOf(text)
      if (header === undefined) {
        if (Option.isNone(fields)) return { _tag: "BadHeader", reason: "the quotes in its first line are wrong" }
        const names = fields.value.map(({ text }) => text)
        const reason = kind.headerProblem(names)
        if (reason !== undefined) return { _tag: "BadHeader", reason }
        header = names
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
      return reading(line, text, kind.ofCells(header, fields.value))
    }

    return (line: Line): Parsed<R> => {
      if (line.part === "first") startOfLong = line.raw.toString("latin1", 0, longestText)
      if (line.part === "first" || line.part === "next") return { _tag: "Nothing" }
      const unreadable = (text: string, reason: string): Parsed<R> =>
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
      return reading(line, text, kind.ofText(text))
    }
  }

/** For the readings of weather. */
export const parser = parserOf(weather)
