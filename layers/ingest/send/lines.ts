/**
 * Splits a file into lines, or CSV records, with their positions and in bounded memory. No CSV parser on npm recovers from
 * a quote that is never closed: they stop, or read the rest of the file as one field.
 */
import { createReadStream } from "node:fs"

export type Format = "ndjson" | "csv"

/** Longer lines are rejected. */
export const maxLineBytes = 1024 * 1024

/** A longer multi-line quoted field counts as never closed. */
export const maxQuotedBytes = 16 * 1024

export interface Line {
  /** Number of its first line, from 1. */
  readonly number: number
  /** Number of lines: a quoted CSV field may span several. */
  readonly lines: number
  /** The bytes, with the line end. */
  readonly raw: Buffer
  /** Offset of the next line in the file. */
  readonly end: number
  /** A line that is too long comes in parts. */
  readonly part: "whole" | "first" | "next" | "last"
  /** It has a quote that is never closed; the lines after it are read separately. */
  readonly unclosed: boolean
  /** The file ends without a line end, so the line may continue. */
  readonly open: boolean
}

export const isTooLong = ({ part, raw }: Line) => part !== "whole" || raw.length > maxLineBytes

const newline = 0x0a
export const carriageReturn = 0x0d
const quote = 0x22
const comma = 0x2c

type End = Pick<Line, "end" | "lines" | "unclosed">

/** The end of the line that starts at `from`; undefined if more data is needed. */
const endOfLine = (data: Buffer, from: number, isLast: boolean): End | undefined => {
  const at = data.indexOf(newline, from)
  if (at >= 0) return { end: at + 1, lines: 1, unclosed: false }
  return isLast ? { end: data.length, lines: 1, unclosed: false } : undefined
}

/**
 * The same for an RFC 4180 record. As in Python and DuckDB, a quote inside an unquoted field is literal, and a line may end
 * with CR. A quote counts as never closed if other text follows its closing quote.
 */
const endOfRecord = (data: Buffer, from: number, isLast: boolean): End | undefined => {
  let state: "start" | "unquoted" | "quoted" | "closed" | "broken" = "start"
  let lines = 1
  let firstLine = 0
  for (let at = from; at < data.length; at++) {
    const byte = data[at]
    if (byte === newline || byte === carriageReturn) {
      if (byte === carriageReturn && at + 1 === data.length && !isLast) return undefined
      const end = byte === carriageReturn && data[at + 1] === newline ? at + 2 : at + 1
      if (state !== "quoted") return { end, lines, unclosed: false }
      if (firstLine === 0) firstLine = end
      lines++
      at = end - 1
    } else if (byte === quote) {
      if (state === "start" || state === "closed") state = "quoted"
      else if (state === "quoted") state = "closed"
    } else if (state === "closed" && byte !== comma) {
      if (firstLine > 0) return { end: firstLine, lines: 1, unclosed: true }
      state = "broken"
    } else if (state !== "quoted" && state !== "broken") state = byte === comma ? "start" : "unquoted"
    if (firstLine > 0 && state === "quoted" && at - from >= maxQuotedBytes) {
      return { end: firstLine, lines: 1, unclosed: true }
    }
  }
  if (!isLast) return undefined
  return state === "quoted"
    ? { end: firstLine || data.length, lines: 1, unclosed: true }
    : { end: data.length, lines, unclosed: false }
}

export const isLineEnd = (byte: number | undefined, format: Format) =>
  byte === newline || (byte === carriageReturn && format === "csv")

/** Splits chunks as they are read. More may be pushed after `end`: an earlier run may have ended there. */
export const splitter = (format: Format) => {
  const endOf = format === "csv" ? endOfRecord : endOfLine
  let rest: Buffer = Buffer.alloc(0)
  let number = 1
  let position = 0
  let skipping = false

  function* split(data: Buffer, isLast: boolean): Generator<Line> {
    let from = 0
    while (from < data.length) {
      const line = (skipping ? endOfLine : endOf)(data, from, isLast)
      if (line === undefined) break
      const raw = data.subarray(from, line.end)
      from = line.end
      position += raw.length
      const part = skipping ? "last" : "whole"
      const open = !isLineEnd(raw.at(-1), format)
      yield { number, lines: line.lines, raw, end: position, part, unclosed: line.unclosed, open }
      number += line.lines
      skipping = false
    }
    rest = data.subarray(from)
    if (rest.length <= maxLineBytes) return
    position += rest.length
    yield {
      number,
      lines: 1,
      raw: rest,
      end: position,
      part: skipping ? "next" : "first",
      unclosed: false,
      open: false
    }
    rest = Buffer.alloc(0)
    skipping = true
  }

  return {
    push: (chunk: Buffer) => split(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), false),
    end: () => split(rest, true),
    skip: (bytes: number) => {
      position += bytes
    }
  }
}

export const chunkBytes = 256 * 1024

/** The lines of a file; the last one may lack its line end. */
export async function* lines(path: string): AsyncGenerator<Line> {
  const { push, end } = splitter("ndjson")
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) yield* push(chunk)
  yield* end()
}
