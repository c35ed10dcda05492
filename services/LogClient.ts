/**
 * The client of a logging server.
 * Owns: sending one reading, or up to 10,000 readings or events of a stream together, once. Does not own: retries.
 */
import { Context, type Effect, Schema } from "effect"
import type { StreamDescription } from "./Api.ts"
import type { PositionRun } from "./EventLog.ts"
import type { WeatherReading } from "./Weather.ts"

/** The server did not acknowledge; retry with the same reading and key. */
export class ServerUnavailable extends Schema.TaggedError<ServerUnavailable>()("ServerUnavailable", {
  /** The server, as part of a sentence, for example `at http://127.0.0.1:9998`. */
  server: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The logging server ${this.server} is unavailable: ${this.reason}.`
  }
}

/** The server rejected the reading; a retry does not help. */
export class ReadingRejected extends Schema.TaggedError<ReadingRejected>()("ReadingRejected", {
  status: Schema.Int,
  reason: Schema.String,
  /** One message per field; `[3].city` is the city of the fourth reading. */
  errors: Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String }))
}) {
  override get message() {
    return `The logging server rejected the reading (${this.status}): ${this.reason}`
  }
}

/** The server has no stream of this name; its sentence names the nearest. */
export class StreamUnknown extends Schema.TaggedError<StreamUnknown>()("StreamUnknown", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

interface EventsAcknowledged {
  /** In the order of the readings or events. */
  readonly positions: ReadonlyArray<PositionRun>
  /** The key was used before for the same readings or events: nothing was logged this time. */
  readonly repeated: boolean
}

export interface Acknowledged extends EventsAcknowledged {
  readonly ts: string
}

export class LogClient extends Context.Service<
  LogClient,
  {
    /** Succeeds once the server has acknowledged the reading under this Idempotency-Key. */
    readonly send: (
      reading: WeatherReading,
      idempotencyKey: string
    ) => Effect.Effect<void, ServerUnavailable | ReadingRejected>
    /** Sends one or more readings, which the server logs all or none. */
    readonly sendAll: (
      readings: ReadonlyArray<WeatherReading>,
      idempotencyKey: string
    ) => Effect.Effect<Acknowledged, ServerUnavailable | ReadingRejected>
    /** Sends one or more events of a stream, each as JSON; the server logs all or none. */
    readonly sendEvents: (
      stream: string,
      events: ReadonlyArray<string>,
      idempotencyKey: string
    ) => Effect.Effect<EventsAcknowledged, ServerUnavailable | ReadingRejected>
    /** The definition of a stream that the server has now. */
    readonly describe: (
      stream: string
    ) => Effect.Effect<typeof StreamDescription.Type, ServerUnavailable | ReadingRejected | StreamUnknown>
  }
>()("floe/services/LogClient") {}
