/**
 * Sends a file to the logging server in batches, each under a key that is made from the file up to the batch's end. The
 * state is written before a batch is sent: whoever dies later sends that batch again under the same key.
 */
import { hash } from "node:crypto"
import { Effect, Option, Schedule, Stream } from "effect"
import { LogClient, type ServerUnavailable } from "../../../services/LogClient.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { type Batch, batches, type Numbered } from "./batches.ts"
import * as Journal from "./journal.ts"
import type { Format } from "./lines.ts"
import type { Refused } from "./records.ts"
import type { Source } from "./Source.ts"

const patience = "15 seconds"

export interface SendOptions extends Journal.JournalOptions {
  readonly source: Source
  /** By default its name or its content tells. */
  readonly format: Format | undefined
  /** The last line is taken as it is, though it has no end. */
  readonly complete: boolean
  readonly progress: (sent: Sent) => Effect.Effect<void>
  /** Lines of a source that has no place for a report. */
  readonly refused: (refused: ReadonlyArray<Refused>) => Effect.Effect<void>
}

export interface Sent {
  /** Lines of this run: those that the server has acknowledged, and how many of them it had logged before. */
  readonly acknowledged: number
  readonly repeated: number
  /** Those that were refused, and reported. */
  readonly reported: number
  /** Of all runs for this file. */
  readonly logged: number
  readonly refused: number
  /** The number of the last line, if it has no end and waits for it. */
  readonly waiting: number | null
  readonly bytes: number
  /** Null where nobody knows. */
  readonly ofBytes: number | null
}

/** The index of a refused record, and why. */
const indexed = /^\[(\d+)\](?:\.(.*))?$/s

/** Takes the readings away that the server names; undefined if it names none. */
const without = (
  readings: ReadonlyArray<Numbered>,
  errors: ReadonlyArray<{ readonly field: string; readonly message: string }>
) => {
  const reasons = new Map<number, string>()
  for (const { field, message } of errors) {
    const match = indexed.exec(field)
    if (match !== null) reasons.set(Number(match[1]), `${match[2] ?? "it"} ${message}`)
  }
  if (reasons.size === 0) return undefined
  const refused = readings.flatMap(({ line, reading }, i): ReadonlyArray<Refused> => {
    const reason = reasons.get(i)
    return reason === undefined ? [] : [{ line, reason, text: JSON.stringify(reading) }]
  })
  return { rest: readings.filter((_, i) => !reasons.has(i)), refused }
}

const linesOf = (refused: ReadonlyArray<Refused>) => refused.reduce((sum, { lines = 1 }) => sum + lines, 0)

export const sendFile = Effect.fn("SendFile.sendFile")(function* (options: SendOptions) {
  const { source } = options
  const client = yield* LogClient
  const journal =
    source.file === undefined ? Journal.none(options.refused) : yield* Journal.beside(source.file.path, options)

  let { logged, refused } = journal.before
  let acknowledged = 0
  let repeated = 0
  let waiting: number | null = null
  let bytes = journal.checkpoint?.end ?? 0

  const keyOf = ({ from, digest }: Batch) =>
    `floe-send-${hash("sha256", `${journal.round}\n${from}\n${digest}`).slice(0, 40)}`

  const send = (readings: ReadonlyArray<Numbered>, key: string) =>
    client
      .sendAll(
        readings.map(({ reading }) => reading),
        key
      )
      .pipe(
        Effect.retry({
          schedule: Schedule.exponential("100 millis").pipe(
            Schedule.jittered,
            Schedule.upTo({ duration: patience }),
            monotonic
          ),
          while: (error): error is ServerUnavailable => error._tag === "ServerUnavailable"
        })
      )

  /** Records that were refused by the server are left out, and the rest sent. */
  const deliver = Effect.fnUntraced(function* (batch: Batch) {
    const all = [...batch.refused]
    let readings = batch.readings
    while (readings.length > 0) {
      const answer = yield* send(readings, keyOf(batch)).pipe(
        Effect.asSome,
        Effect.catchTag("ReadingRefused", (error) => {
          const left = without(readings, error.errors)
          if (left === undefined) return Effect.fail(error)
          readings = left.rest
          all.push(...left.refused)
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
    refused += linesOf(all)
  })

  const sent = (): Sent => ({
    acknowledged,
    repeated,
    reported: refused - journal.before.refused,
    logged,
    refused,
    waiting,
    bytes,
    ofBytes: source.file?.size ?? null
  })
  let last: Batch | undefined
  yield* Stream.runForEach(
    batches(source, {
      format: options.format,
      complete: options.complete || source.file === undefined,
      checkpoint: journal.checkpoint
    }),
    Effect.fnUntraced(function* (batch) {
      if (batch._tag === "Waiting") {
        waiting = batch.line
        return
      }
      yield* journal.note(batch, { logged, refused }, false)
      yield* deliver(batch)
      last = batch
      bytes = batch.end
      yield* options.progress(sent())
    })
  )
  if (last !== undefined) yield* journal.note(last, { logged, refused }, true)
  else yield* journal.skipped
  return sent()
}, Effect.scoped)
