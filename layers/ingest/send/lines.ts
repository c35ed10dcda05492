/**
 * The lines of a file, or the records of a CSV file, in bounded memory, each with its place. No CSV parser in npm reads on
 * behind a quote that is never closed: they end there, or take the rest of the file for one field.
 */
import { createReadStream } from "node:fs"

export type Format = "ndjson" | "csv"

/** What is longer is not kept, and refused. */
export const maxLineBytes = 1024 * 1024

/** A quoted field over several lines that is longer counts as never closed. */
export const maxQuotedBytes = 16 * 1024

export interface Line {
  /** Of its first line, counted from 1. */
  readonly number: number
  /** In CSV a quoted field may go over several. */
  readonly lines: number
  /** As in the file, with the end of the line. */
  readonly raw: Buffer
  /** Where the next one begins in the file. */
  readonly end: number
  /** One that is too long comes in parts. */
  readonly part: "whole" | "first" | "next" | "last"
  /** It has a quote that is not closed; the lines behind it are read on their own. */
  readonly unclosed: boolean
  /** The file ends before the line does, so more of it may come. */
  readonly open: boolean
}

export const isTooLong = ({ part, raw }: Line) => part !== "whole" || raw.length > maxLineBytes

const newline = 0x0a
export const carriageReturn = 0x0d
const quote = 0x22
const comma = 0x2c

type End = Pick<Line, "end" | "lines" | "unclosed">

/** Where the line ends that begins at `from`; undefined if more of the file decides it. */
const endOfLine = (data: Buffer, from: number, isLast: boolean): End | undefined => {
  const at = data.indexOf(newline, from)
  if (at >= 0) return { end: at + 1, lines: 1, unclosed: false }
  return isLast ? { end: data.length, lines: 1, unclosed: false } : undefined
}

/**
 * The same for a record by RFC 4180 in which, as Python and DuckDB have it, a quote within an unquoted field stands for
 * itself, and a line may also end with CR. A quote is never closed if the one that should close it stands before other text.
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

/** Takes the file as it is read. `end` may also be a place where an earlier run came to the end, and more is pushed then. */
export const splitter = (format: Format) => {
  const endOf = format === "csv" ? endOfRecord : endOfLine
  let rest: Buffer = Buffer.alloc(0)
  let number = 1
  let position = 0
  /** In the midst of a line that is too long, of which the beginning is gone. */
  let skipping = false

  function* split(data: Buffer, isLast: boolean): Generator<Line> {
    let from = 0
    while (from < data.length) {
      // Quotes mean nothing in what is skipped.
      const found = (skipping ? endOfLine : endOf)(data, from, isLast)
      if (found === undefined) break
      const raw = data.subarray(from, found.end)
      from = found.end
      position += raw.length
      const part = skipping ? "last" : "whole"
      const open = !isLineEnd(raw.at(-1), format)
      yield { number, lines: found.lines, raw, end: position, part, unclosed: found.unclosed, open }
      number += found.lines
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
    /** Bytes that are no line. */
    skip: (bytes: number) => {
      position += bytes
    }
  }
}

export const chunkBytes = 256 * 1024

/** The lines of a file as they are, the last one also without its end. */
export async function* lines(path: string): AsyncGenerator<Line> {
  const { push, end } = splitter("ndjson")
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) yield* push(chunk)
  yield* end()
}
