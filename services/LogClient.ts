/**
 * A logging server as its clients see it.
 * Owns: one reading sent once. Does not own: the decision to try again.
 */
import { Context, type Effect, Schema } from "effect"
import type { WeatherReading } from "./Weather.ts"

/** Not acknowledged; the same reading with the same key may be sent again. */
export class ServerUnavailable extends Schema.TaggedError<ServerUnavailable>()("ServerUnavailable", {
  /** Where it was sent. */
  target: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The logging server at ${this.target} is unavailable: ${this.reason}.`
  }
}

/** Refused for what it is; sending it again does not help. */
export class ReadingRefused extends Schema.TaggedError<ReadingRefused>()("ReadingRefused", {
  status: Schema.Int,
  reason: Schema.String
}) {
  override get message() {
    return `The logging server refused the reading (${this.status}): ${this.reason}`
  }
}

export class LogClient extends Context.Service<
  LogClient,
  {
    /** Succeeds once the server has acknowledged the reading under this Idempotency-Key. */
    readonly send: (
      reading: WeatherReading,
      idempotencyKey: string
    ) => Effect.Effect<void, ServerUnavailable | ReadingRefused>
  }
>()("floe/services/LogClient") {}
