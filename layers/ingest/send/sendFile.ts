/**
 * Sends a file to the logging server in batches. The key of a batch is derived from the file up to the batch's end, and the
 * state is written before the batch is sent, so a restart sends the same batch under the same key.
 */
import { hash } from "node:crypto"
import { Effect, Option, Schedule, Stream } from "effect"
import { LogClient, type ReadingRejected, type ServerUnavailable } from "../../../services/LogClient.ts"
import type { WeatherReading } from "../../../services/Weather.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { type Batch, batches, type Numbered } from "./batches.ts"
import { type EventStream, eventParser } from "./events.ts"
import * as Journal from "./journal.ts"
import type { Format } from "./lines.ts"
import { type LineParser, parser, type Rejected } from "./records.ts"
import type { Source } from "./Source.ts"

/** Of the text in a report. */
const longestText = 1000
const retryLimit = "15 seconds"

export interface SendOptions extends Journal.JournalOptions {
  readonly source: Source
  /** Weather by default. */
  readonly stream?: EventStream | undefined
  /** By default detected from the name or the content. */
  readonly format: Format | undefined
  /** Send the last line even if it has no line end. */
  readonly complete: boolean
  readonly progress: (sent: Sent) => Effect.Effect<void>
  /** Called with the rejected lines of a stream, which has no report file. */
  readonly onRejected: (rejected: ReadonlyArray<Rejected>) => Effect.Effect<void>
}

export interface Sent {
  /** In this run: acknowledged records, how many of them were logged before, and lines in the report. */
  readonly acknowledged: number
  readonly repeated: number
  readonly reported: number
  /** In all runs for this file. */
  readonly logged: number
  readonly rejected: number
  /** Number of the last line, if it has no line end yet. */
  readonly waiting: number | null
  readonly bytes: number
  /** Null if unknown. */
  readonly ofBytes: number | null
}

/** What becomes of the lines of a file. */
interface Recipient<R> {
  readonly parser: LineParser<R>
  readonly bytesOf: (reading: R) => number
  readonly send: (
    readings: ReadonlyArray<R>,
    key: string
  ) => Effect.Effect<{ readonly repeated: boolean }, ServerUnavailable | ReadingRejected>
}

const weatherOf = ({ sendAll }: LogClient["Service"]): Recipient<WeatherReading> => ({
  parser,
  bytesOf: () => 0,
  send: sendAll
})

const streamOf = ({ sendEvents }: LogClient["Service"], stream: EventStream): Recipient<string> => ({
  parser: eventParser(stream),
  bytesOf: Buffer.byteLength,
  send: (events, key) => sendEvents(stream.name, events, key)
})

const indexed = /^\[(\d+)\](?:\.(.*))?$/s

/** Separates the readings that the server names; undefined if it names none. */
const withoutRejected = <R>(
  readings: ReadonlyArray<Numbered<R>>,
  errors: ReadonlyArray<{ readonly field: string; readonly message: string }>
) => {
  const reasons = new Map<number, string>()
  for (const { field, message } of errors) {
    const match = indexed.exec(field)
    if (match !== null) reasons.set(Number(match[1]), `${match[2] ?? "it"} ${message}`)
  }
  if (reasons.size === 0) return undefined
  const rejected = readings.flatMap(({ line, reading }, i): ReadonlyArray<Rejected> => {
    const reason = reasons.get(i)
    return reason === undefined
      ? []
      : [{ line, reason, text: typeof reading === "string" ? reading.slice(0, longestText) : JSON.stringify(reading) }]
  })
  return { rest: readings.filter((_, i) => !reasons.has(i)), rejected }
}

const linesOf = (rejected: ReadonlyArray<Rejected>) => rejected.reduce((sum, { lines = 1 }) => sum + lines, 0)

const sendTo = Effect.fnUntraced(function* <R>(options: SendOptions, recipient: Recipient<R>) {
  const { source } = options
  const journal =
    source.file === undefined
      ? yield* Journal.none(options.onRejected)
      : yield* Journal.beside(source.file.path, options)

  let { logged, rejected } = journal.before
  let acknowledged = 0
  let repeated = 0
  let waiting: number | null = null
  let bytes = journal.checkpoint?.end ?? 0

  const keyOf = ({ from, digest }: Batch<R>) =>
    `floe-send-${hash("sha256", `${journal.round}\n${from}\n${digest}`).slice(0, 40)}`

  const send = (readings: ReadonlyArray<Numbered<R>>, key: string) =>
    recipient
      .send(
        readings.map(({ reading }) => reading),
        key
      )
      .pipe(
        Effect.retry({
          schedule: Schedule.exponential("100 millis").pipe(
            Schedule.jittered,
            Schedule.upTo({ duration: retryLimit }),
            monotonic
          ),
          while: (error): error is ServerUnavailable => error._tag === "ServerUnavailable"
        })
      )

  const deliver = Effect.fnUntraced(function* (batch: Batch<R>) {
    const all = [...batch.rejected]
    let readings = batch.readings
    while (readings.length > 0) {
      const answer = yield* send(readings, keyOf(batch)).pipe(
        Effect.asSome,
        Effect.catchTag("ReadingRejected", (error) => {
          const remaining = withoutRejected(readings, error.errors)
          if (remaining === undefined) return Effect.fail(error)
          readings = remaining.rest
          all.push(...remaining.rejected)
          return Effect.succeedNone
        })
      )
      if (Option.isNone(answer)) continue
      acknowledged += readings.length
      logged += readings.length
      if (answer.value.repeated) repeated += readings.length
      break
    }
    if (all.length === 0) return
    yield* journal.report(all.toSorted((a, b) => a.line - b.line))
    rejected += linesOf(all)
  })

  const sent = (): Sent => ({
    acknowledged,
    repeated,
    reported: rejected - journal.before.rejected,
    logged,
    rejected,
    waiting,
    bytes,
    ofBytes: source.file?.size ?? null
  })
  let last: Batch<R> | undefined
  yield* Stream.runForEach(
    batches(source, {
      parser: recipient.parser,
      bytesOf: recipient.bytesOf,
      format: options.format,
      complete: options.complete || source.file === undefined,
      checkpoint: journal.checkpoint
    }),
    Effect.fnUntraced(function* (batch) {
      if (batch._tag === "Waiting") {
        waiting = batch.line
        return
      }
      yield* journal.record(batch, { logged, rejected }, false)
      yield* deliver(batch)
      last = batch
      bytes = batch.end
      yield* options.progress(sent())
    })
  )
  if (last !== undefined) yield* journal.record(last, { logged, rejected }, true)
  else yield* journal.skipped
  return sent()
}, Effect.scoped)

export const sendFile = Effect.fn("sendFile")(function* (options: SendOptions) {
  const client = yield* LogClient
  const { stream } = options
  return yield* stream === undefined ? sendTo(options, weatherOf(client)) : sendTo(options, streamOf(client, stream))
})
