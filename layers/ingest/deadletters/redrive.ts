/**
 * Sends dead letters to the logging server again. The key of each is derived from its position, so that a crash or a
 * concurrent run logs nothing twice.
 */
import { Effect, Result, Schedule, Schema, Stream } from "effect"
import { DeadLetters, type DeadLettersSnapshot } from "../../../services/DeadLetters.ts"
import type { Position } from "../../../services/EventLog.ts"
import { type Acknowledged, LogClient, type ReadingRejected } from "../../../services/LogClient.ts"
import { topic } from "../../../services/Settings.ts"
import { weather } from "../../../services/TableReader.ts"
import type { WeatherReading } from "../../../services/Weather.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { formatPosition } from "./Correction.ts"

/** The end of a sentence. The request holds one event, so its index says nothing. */
const whyRejected = ({ errors, reason }: ReadingRejected) =>
  errors.length === 0
    ? reason.replace(/\.$/, "")
    : errors.map(({ field, message }) => `${field.replace(/^\[0\]\.?/, "") || "it"} ${message}`).join("; ")

const retryLimit = "15 seconds"
const concurrency = 16

export interface Wanted {
  /** Null if a line names none. */
  readonly position: Position | null
  /** Line of the corrections file. */
  readonly line?: number
  /** The reading, or the event as JSON, or why there is none. */
  readonly reading: Result.Result<WeatherReading | string, string>
}

interface Sent {
  readonly _tag: "Sent"
  readonly reading: WeatherReading | string
  readonly at: string
  /** The hour of a reading. */
  readonly ts?: string | undefined
  /** An earlier run sent it but could not record that. */
  readonly repeated: boolean
}

interface SentBefore {
  readonly _tag: "SentBefore"
  readonly at: string
}

interface NotSent {
  readonly _tag: "NotSent"
  readonly reason: string
}

export interface Outcome {
  readonly wanted: Wanted
  readonly result: Sent | SentBefore | NotSent
}

class NotRecorded extends Schema.TaggedError<NotRecorded>()("NotRecorded", {
  position: Schema.String,
  at: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `${this.position} was logged at ${this.at}, but that could not be recorded. ${why} Run the same command again within 24 hours to record it; it logs nothing twice.`
  }
}

const otherReading =
  "an earlier run sent it with another city or temperature and could not record that; use the same values, or send it once more with --again"

const otherEvent =
  "an earlier run sent it with other values and could not record that; use the same values, or send it once more with --again"

const notSent = (reason: string): NotSent => ({ _tag: "NotSent", reason })

/** Sends the wanted dead letters; those that were sent before only with `again`. */
export const redrive = Effect.fnUntraced(function* <E, R>(
  snapshot: DeadLettersSnapshot,
  wanted: Stream.Stream<Wanted, E, R>,
  again: boolean,
  stream: string
) {
  const client = yield* LogClient
  const letters = yield* DeadLetters
  const log = stream === weather ? yield* topic : stream
  const taken = new Set<string>()

  /** With `again` it is a new request, which stays the same if the run is interrupted and repeated. */
  const keyOf = (position: Position, before: number) =>
    `floe-dlq-${snapshot.topicId}-${position.partition}-${position.offset}${again ? `-again-${before}` : ""}`

  const positionsIn = ({ positions }: Pick<Acknowledged, "positions">) =>
    positions.map(({ partition, offset }) => `${log}/${partition}/${offset}`).join(", ")

  const record = Effect.fnUntraced(function* (
    position: Position,
    reading: WeatherReading | string,
    answer: Omit<Acknowledged, "ts"> & { readonly ts?: string }
  ) {
    const at = positionsIn(answer)
    yield* Effect.mapError(
      letters.remember(stream, position, at),
      (cause) => new NotRecorded({ position: formatPosition(position), at, cause })
    )
    return { _tag: "Sent", reading, at, ts: answer.ts, repeated: answer.repeated } satisfies Sent
  })

  const request = (reading: WeatherReading | string, key: string) =>
    typeof reading === "string" ? client.sendEvents(stream, [reading], key) : client.sendAll([reading], key)

  const send = (position: Position, reading: WeatherReading | string, key: string) =>
    Effect.uninterruptibleMask((restore) =>
      request(reading, key).pipe(
        Effect.retry({
          schedule: Schedule.exponential("100 millis").pipe(
            Schedule.jittered,
            Schedule.upTo({ duration: retryLimit }),
            monotonic
          ),
          while: ({ _tag }) => _tag === "ServerUnavailable"
        }),
        restore,
        Effect.flatMap((answer) => record(position, reading, answer)),
        Effect.catchTag("ReadingRejected", (error) => {
          if (error.status === 422)
            return Effect.succeed(notSent(typeof reading === "string" ? otherEvent : otherReading))
          return error.status === 400 || error.status === 413
            ? Effect.succeed(notSent(typeof reading === "string" ? whyRejected(error) : error.reason))
            : Effect.fail(error)
        })
      )
    )

  const one = Effect.fn("redrive.one")(function* ({ position, reading }: Wanted) {
    if (position === null) return notSent(Result.isFailure(reading) ? reading.failure : "it names no dead letter")
    if (taken.has(formatPosition(position))) return notSent("it is a duplicate of an earlier one")
    taken.add(formatPosition(position))
    const before = yield* Effect.result(snapshot.redrivesOf(position))
    if (Result.isFailure(before)) {
      if (before.failure._tag === "DeadLettersUnavailable") return yield* before.failure
      return notSent(before.failure.reason)
    }
    const at = before.success.at(-1)
    if (at !== undefined && !again) return { _tag: "SentBefore", at } satisfies SentBefore
    if (Result.isFailure(reading)) return notSent(reading.failure)
    return yield* send(position, reading.success, keyOf(position, before.success.length))
  })

  return Stream.mapEffect(wanted, (wanted) => Effect.map(one(wanted), (result): Outcome => ({ wanted, result })), {
    concurrency
  })
}, Stream.unwrap)
