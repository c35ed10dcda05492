/** Reads the events of a request: each is either exactly right, and then in canonical form, or rejected with its errors. */
import { Result } from "effect"
import { maxRecords } from "../../../services/Api.ts"
import type { StreamDefinition } from "../../../services/StreamDefinition.ts"
import { Cursor } from "./Cursor.ts"
import { type Context, eventOf, type FieldError } from "./checkNode.ts"
import { maxDepth, maxElements, maxErrors, maxEventBytes, maxValues } from "./limits.ts"
import { type Fault, NodeReader, skipSpace } from "./parseNode.ts"
import { eventReader } from "./readFast.ts"

export interface RejectedEvent {
  /** From 0, in the order of the request. */
  readonly index: number
  /** As it was sent. */
  readonly value: string
  /** At least one, unless earlier events of the request have `maxErrors`; the fields begin with `[index]`. */
  readonly errors: ReadonlyArray<FieldError>
  /** The errors in one text; of very many, the first ones. */
  readonly reason: string
}

interface CheckedEvents {
  /** Canonical, in the order of the request. */
  readonly records: ReadonlyArray<string>
  readonly rejected: ReadonlyArray<RejectedEvent>
}

/** Why a request cannot be taken at all. */
export interface Unreadable {
  readonly _tag: "Syntax" | "Empty" | "Limit" | "TooLarge"
  /** `body`, or `[index]` of an event. */
  readonly field: string
  readonly message: string
}

interface CheckOptions {
  /** The time of acceptance, canonical; undefined to leave out the columns that the server sets. */
  readonly accepted: string | undefined
  /** Read on after `maxErrors` errors. */
  readonly all: boolean
}

type Outcome = Result.Result<CheckedEvents, Unreadable>

const whole = (count: number) => count.toLocaleString("en-US")
const unreadable = (_tag: Unreadable["_tag"], field: string, message: string): Result.Result<never, Unreadable> =>
  Result.fail({ _tag, field, message })

const notJson = unreadable("Syntax", "body", "is not valid JSON")
const neither = unreadable("Syntax", "body", "must be an array of events, or one event")
const empty = unreadable("Empty", "body", "must have at least one record")
const tooMany = unreadable("TooLarge", "body", `must have at most ${whole(maxRecords)} records`)

const limited = (fault: Exclude<Fault, "syntax">, index: number) => {
  const field = `[${index}]`
  switch (fault) {
    case "depth":
      return unreadable("Limit", field, `must not be nested deeper than ${maxDepth} levels`)
    case "elements":
      return unreadable("Limit", field, `must not have more than ${whole(maxElements)} elements in one list or object`)
    case "values":
      return unreadable("Limit", field, `must not have more than ${whole(maxValues)} values`)
    case "bytes":
      return unreadable("TooLarge", field, `must be at most ${whole(maxEventBytes)} bytes`)
  }
}

const isTooLong = (text: string, from: number, to: number) =>
  to - from > maxEventBytes / 3 && Buffer.byteLength(text.slice(from, to)) > maxEventBytes

/** Characters of a reason; ten thousand of them stay in memory until the request has its response. */
const maxReason = 500

/** As many errors as fit, at least one. */
const reasonOf = (errors: ReadonlyArray<FieldError>) => {
  let reason = ""
  for (const [i, { field, message }] of errors.entries()) {
    const sentence = `${field || "it"} ${message}`
    if (i > 0 && reason.length + sentence.length > maxReason) return `${reason}; and ${errors.length - i} more`
    reason += i === 0 ? sentence : `; ${sentence}`
  }
  return reason
}

/** V8 keeps a concatenation as a tree, of 64 bytes for each part, until a character is read. */
const flat = (text: string) => {
  text.charCodeAt(0)
  return text
}

const at = (index: number, { field, message }: FieldError): FieldError => ({
  field: field === "" || field.startsWith("[") ? `[${index}]${field}` : `[${index}].${field}`,
  message
})

/** A body that is being read. */
class Reading {
  readonly records: Array<string> = []
  readonly rejected: Array<RejectedEvent> = []
  errors = 0
  /** After the event that was read last. */
  at = 0
  readonly text: string
  readonly options: CheckOptions

  constructor(text: string, options: CheckOptions) {
    this.text = text
    this.options = options
  }

  get index() {
    return this.records.length + this.rejected.length
  }

  get isDone() {
    return this.errors >= maxErrors && !this.options.all
  }

  reject(value: string, errors: ReadonlyArray<FieldError>) {
    const { index } = this
    const reason = reasonOf(errors)
    const named = this.errors < maxErrors ? errors.map((error) => at(index, error)) : []
    this.rejected.push({ index, value, errors: named, reason: flat(reason) })
    this.errors += errors.length
  }
}

export interface Checker {
  /** One event, or an array of events. */
  readonly json: (text: string, options: CheckOptions) => Outcome
  /** One event a line. */
  readonly ndjson: (text: string, options: CheckOptions) => Outcome
  /** Whether the time of acceptance is part of an event. */
  readonly setsColumns: boolean
}

/** A checker for the events of a stream. */
export const make = ({ columns }: Pick<StreamDefinition, "columns">): Checker => {
  const read = eventReader(columns)
  const check = eventOf(columns)
  const cursor = new Cursor()

  /** Why the text has no event at `reading.at`; undefined once it is taken or rejected. */
  const event = (reading: Reading): Fault | undefined => {
    const { text, at: from, options } = reading
    cursor.text = text
    cursor.at = from
    cursor.values = 0
    cursor.accepted = options.accepted === undefined ? "" : `"${options.accepted}"`
    const plain = read(cursor)
    if (plain !== undefined) {
      if (isTooLong(text, from, cursor.at)) return "bytes"
      reading.records.push(flat(plain))
      reading.at = cursor.at
      return undefined
    }
    const nodes = new NodeReader(text, from)
    const node = nodes.value(0)
    if (node === undefined) return nodes.fault
    if (isTooLong(text, from, nodes.at)) return "bytes"
    const context: Context = { accepted: options.accepted, errors: [] }
    const canonical = check(node, "", context)
    if (context.errors.length === 0) reading.records.push(flat(canonical))
    else reading.reject(text.slice(from, nodes.at), context.errors)
    reading.at = nodes.at
    return undefined
  }

  const json = (text: string, options: CheckOptions): Outcome => {
    const reading = new Reading(text, options)
    const start = skipSpace(text, 0)
    const isArray = text.charCodeAt(start) === 0x5b
    if (!isArray && text.charCodeAt(start) !== 0x7b) {
      return new NodeReader(text, start).value(0) === undefined ? notJson : neither
    }
    reading.at = isArray ? skipSpace(text, start + 1) : start
    if (isArray && text.charCodeAt(reading.at) === 0x5d) {
      return skipSpace(text, reading.at + 1) === text.length ? empty : notJson
    }
    for (;;) {
      if (reading.index === maxRecords) return tooMany
      const fault = event(reading)
      if (fault !== undefined) return fault === "syntax" ? notJson : limited(fault, reading.index)
      if (reading.isDone) return Result.succeed(reading)
      let next = skipSpace(text, reading.at)
      if (isArray) {
        const code = text.charCodeAt(next)
        if (code !== 0x2c && code !== 0x5d) return notJson
        next = skipSpace(text, next + 1)
        reading.at = next
        if (code === 0x2c) continue
      }
      return next === text.length ? Result.succeed(reading) : notJson
    }
  }

  const line = (reading: Reading, end: number) => {
    const from = skipSpace(reading.text, reading.at)
    reading.at = from
    const { length } = reading.records
    const fault = from < end ? event(reading) : "syntax"
    if (fault !== undefined && fault !== "syntax") return limited(fault, reading.index)
    if (fault === undefined && skipSpace(reading.text, reading.at) >= end && reading.at <= end) return undefined
    // Not an event, or one that goes on after the line, or not the only one in it.
    if (fault === undefined) {
      if (reading.records.length > length) reading.records.pop()
      else reading.errors -= reading.rejected.pop()?.errors.length ?? 0
    }
    reading.reject(reading.text.slice(Math.min(from, end), end), [{ field: "", message: "is not valid JSON" }])
    return undefined
  }

  const ndjson = (body: string, options: CheckOptions): Outcome => {
    const text = body.trimEnd()
    if (text === "") return empty
    const reading = new Reading(text, options)
    for (let start = 0; start <= text.length; ) {
      if (reading.index === maxRecords) return tooMany
      const newline = text.indexOf("\n", start)
      const end = newline === -1 ? text.length : newline
      reading.at = start
      const failed = line(reading, end)
      if (failed !== undefined) return failed
      if (reading.isDone) return Result.succeed(reading)
      start = end + 1
    }
    return Result.succeed(reading)
  }

  return { json, ndjson, setsColumns: columns.some(({ type }) => type === "accepted") }
}
