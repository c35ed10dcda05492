/**
 * Sends dead letters to the logging server again, each under a key that is made from its position: whoever dies before
 * that is noted, or runs beside another one, doubles nothing.
 */
import { Effect, Result, Schedule, Schema, Stream } from "effect"
import { DeadLetters, type DeadLettersSnapshot } from "../../../services/DeadLetters.ts"
import type { Position } from "../../../services/EventLog.ts"
import { type Acknowledged, LogClient } from "../../../services/LogClient.ts"
import { topic } from "../../../services/Settings.ts"
import type { WeatherReading } from "../../../services/Weather.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { written } from "./Correction.ts"

const patience = "15 seconds"
/** Under way at a time; each waits for the server's disk and for Kafka. */
const concurrency = 16

export interface Wanted {
  /** Null for what names none. */
  readonly position: Position | null
  /** Of the file that it is from. */
  readonly line?: number
  /** Or why there is none. */
  readonly reading: Result.Result<WeatherReading, string>
}

interface Sent {
  readonly _tag: "Sent"
  readonly reading: WeatherReading
  readonly at: string
  readonly ts: string
  /** An earlier run had sent it, and could not note that. */
  readonly repeated: boolean
}

interface SentBefore {
  readonly _tag: "SentBefore"
  readonly at: string
}

interface Refused {
  readonly _tag: "Refused"
  readonly reason: string
}

export interface Outcome {
  readonly wanted: Wanted
  readonly result: Sent | SentBefore | Refused
}

class NotNoted extends Schema.TaggedError<NotNoted>()("NotNoted", {
  position: Schema.String,
  at: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `${this.position} is logged at ${this.at}, and that could not be noted. ${why} The same command, given again within 24 hours, notes it and logs nothing twice.`
  }
}

const otherReading =
  "an earlier run sent it with another city or temperature and could not note that; give the same ones again, or send it once more with --again"

const refused = (reason: string): Refused => ({ _tag: "Refused", reason })

/** With `again` also those that were sent before. */
export const redrive = Effect.fnUntraced(function* <E, R>(
  then: DeadLettersSnapshot,
  wanted: Stream.Stream<Wanted, E, R>,
  again: boolean
) {
  const client = yield* LogClient
  const letters = yield* DeadLetters
  const log = yield* topic
  const taken = new Set<string>()

  /** Sent once more on purpose it is another request, and the same one if that is broken off and repeated. */
  const keyOf = (position: Position, before: number) =>
    `floe-dlq-${then.topicId}-${position.partition}-${position.offset}${again ? `-again-${before}` : ""}`

  const placeIn = ({ positions }: Acknowledged) =>
    positions.map(({ partition, offset }) => `${log}/${partition}/${offset}`).join(", ")

  const note = Effect.fnUntraced(function* (position: Position, reading: WeatherReading, answer: Acknowledged) {
    const at = placeIn(answer)
    yield* Effect.mapError(
      letters.remember(position, at),
      (cause) => new NotNoted({ position: written(position), at, cause })
    )
    return { _tag: "Sent", reading, at, ts: answer.ts, repeated: answer.repeated } satisfies Sent
  })

  const send = (position: Position, reading: WeatherReading, key: string) =>
    Effect.uninterruptibleMask((restore) =>
      client.sendAll([reading], key).pipe(
        Effect.retry({
          schedule: Schedule.exponential("100 millis").pipe(
            Schedule.jittered,
            Schedule.upTo({ duration: patience }),
            monotonic
          ),
          while: ({ _tag }) => _tag === "ServerUnavailable"
        }),
        restore,
        Effect.flatMap((answer) => note(position, reading, answer)),
        Effect.catchTag("ReadingRefused", (error) => {
          if (error.status === 422) return Effect.succeed(refused(otherReading))
          return error.status === 400 || error.status === 413
            ? Effect.succeed(refused(error.reason))
            : Effect.fail(error)
        })
      )
    )

  const one = Effect.fn("Redelivery.one")(function* ({ position, reading }: Wanted) {
    if (position === null) return refused(Result.isFailure(reading) ? reading.failure : "it names no dead letter")
    if (taken.has(written(position))) return refused("it was named before")
    taken.add(written(position))
    const before = yield* Effect.result(then.redrivesOf(position))
    if (Result.isFailure(before)) return refused(before.failure.reason)
    const at = before.success.at(-1)
    if (at !== undefined && !again) return { _tag: "SentBefore", at } satisfies SentBefore
    if (Result.isFailure(reading)) return refused(reading.failure)
    return yield* send(position, reading.success, keyOf(position, before.success.length))
  })

  return Stream.mapEffect(wanted, (wanted) => Effect.map(one(wanted), (result): Outcome => ({ wanted, result })), {
    concurrency
  })
}, Stream.unwrap)
