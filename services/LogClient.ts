/**
 * A logging server as its clients see it.
 * Owns: one reading, or up to 10,000 together, sent once. Does not own: the decision to try again.
 */
import { Context, type Effect, Schema } from "effect"
import type { PositionRun } from "./EventLog.ts"
import type { WeatherReading } from "./Weather.ts"

/** Not acknowledged; the same reading with the same key may be sent again. */
export class ServerUnavailable extends Schema.TaggedError<ServerUnavailable>()("ServerUnavailable", {
  /** Which one, as the middle of a sentence: `at http://127.0.0.1:9998`. */
  server: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The logging server ${this.server} is unavailable: ${this.reason}.`
  }
}

/** Refused for what it is; sending it again does not help. */
export class ReadingRefused extends Schema.TaggedError<ReadingRefused>()("ReadingRefused", {
  status: Schema.Int,
  reason: Schema.String,
  /** What is wrong with which field; `[3].city` is that of the fourth reading. */
  errors: Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String }))
}) {
  override get message() {
    return `The logging server refused the reading (${this.status}): ${this.reason}`
  }
}

export interface Acknowledged {
  /** In the order of the readings. */
  readonly positions: ReadonlyArray<PositionRun>
  readonly ts: string
  /** The key had been used before for the same readings: nothing was logged this time. */
  readonly repeated: boolean
}

export class LogClient extends Context.Service<
  LogClient,
  {
    /** Succeeds once the server has acknowledged the reading under this Idempotency-Key. */
    readonly send: (
      reading: WeatherReading,
      idempotencyKey: string
    ) => Effect.Effect<void, ServerUnavailable | ReadingRefused>
    /** Readings, at least one, of which the server logs all or none. */
    readonly sendAll: (
      readings: ReadonlyArray<WeatherReading>,
      idempotencyKey: string
    ) => Effect.Effect<Acknowledged, ServerUnavailable | ReadingRefused>
  }
>()("floe/services/LogClient") {}
