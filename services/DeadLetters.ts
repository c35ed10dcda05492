/**
 * Dead letters: messages of a stream's topic that its connector rejected, and events that the server rejected with
 * `invalid=dead-letter`.
 * Owns: reading them, the reasons, which were sent again. Does not own: sending them (LogClient).
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { Position } from "./EventLog.ts"

interface Header {
  readonly name: string
  readonly value: Uint8Array
}

/** Why the connector rejected a record, as Kafka Connect reports it; null where it reports nothing. */
export interface Rejection {
  readonly connector: string | null
  readonly task: string | null
  /** VALUE_CONVERTER, TRANSFORMATION, … */
  readonly stage: string | null
  /** The class that rejected it. */
  readonly by: string | null
  readonly exception: string | null
  readonly message: string | null
  readonly trace: string | null
}

export interface DeadLetter {
  /** In the dead-letter topic; in the embedded profile 0 and an id, over all streams. */
  readonly position: Position
  /** The message's timestamp in the log, or when the server rejected it; in milliseconds since 1970. */
  readonly loggedAt: number
  /** Its position in the log, for example `weather/0/12`. */
  readonly source: string | null
  /** The reason in a few words. */
  readonly reason: string
  readonly rejection: Rejection
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Its headers in the log. */
  readonly headers: ReadonlyArray<Header>
  /** Its positions in the log since it was sent again, for example `weather/0/99`; one for each time. */
  readonly redrives: ReadonlyArray<string>
}

/** The dead-letter topic cannot be read or written now; a retry can help. */
export class DeadLettersUnavailable extends Schema.TaggedError<DeadLettersUnavailable>()("DeadLettersUnavailable", {
  operation: Schema.String,
  /** The cause and the fix, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The dead letters cannot be reached (${this.operation}): ${this.reason}.`
  }
}

export class NoSuchDeadLetter extends Schema.TaggedError<NoSuchDeadLetter>()("NoSuchDeadLetter", {
  reason: Schema.String
}) {
  override get message() {
    return `${this.reason}.`
  }
}

/** The embedded profile has no dead letters of weather. */
export class NoDeadLetters extends Schema.TaggedError<NoDeadLetters>()("NoDeadLetters", {}) {
  override get message() {
    return "Weather has no dead letters in the embedded profile, because its log accepts only valid records; --stream names another stream."
  }
}

/** The dead letters at one point in time. */
export interface DeadLettersSnapshot {
  readonly topic: string
  /** The topic id, or the log's id; a recreated topic or log has another. */
  readonly topicId: string
  readonly waiting: number
  readonly redriven: number
  /** All dead letters, in the order in which they were rejected. */
  readonly letters: Stream.Stream<DeadLetter, DeadLettersUnavailable>
  readonly find: (position: Position) => Effect.Effect<DeadLetter, DeadLettersUnavailable | NoSuchDeadLetter>
  readonly redrivesOf: (
    position: Position
  ) => Effect.Effect<ReadonlyArray<string>, DeadLettersUnavailable | NoSuchDeadLetter>
}

export class DeadLetters extends Context.Service<
  DeadLetters,
  {
    /** Those of a stream. Kafka's are read once as a whole; `onProgress` gets the messages read so far and their total. */
    readonly now: (
      stream: string,
      onProgress: (read: number, total: number) => Effect.Effect<void>
    ) => Effect.Effect<DeadLettersSnapshot, DeadLettersUnavailable | NoDeadLetters>
    /** Records durably that a dead letter of a stream was sent again, and its new position in the log. */
    readonly remember: (
      stream: string,
      position: Position,
      at: string
    ) => Effect.Effect<void, DeadLettersUnavailable | NoDeadLetters>
  }
>()("floe/services/DeadLetters") {}
