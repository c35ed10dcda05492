/**
 * Messages of the log's topic that the sink refused.
 * Owns: which there are, why they were refused, which of them were sent again. Does not own: sending them (LogClient).
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { Position } from "./EventLog.ts"

interface Header {
  readonly name: string
  readonly value: Uint8Array
}

/** What Kafka Connect says of a refusal; null where it says nothing. */
export interface Rejection {
  readonly connector: string | null
  readonly task: string | null
  /** VALUE_CONVERTER, TRANSFORMATION, …, and the class that did it. */
  readonly stage: string | null
  readonly by: string | null
  readonly exception: string | null
  readonly message: string | null
  readonly trace: string | null
}

export interface DeadLetter {
  /** In the topic of dead letters. */
  readonly position: Position
  /** Milliseconds since 1970: the time that the message had in the log. */
  readonly loggedAt: number
  /** Where it was in the log, as `weather/0/12`. */
  readonly source: string | null
  /** In a few words. */
  readonly reason: string
  readonly rejection: Rejection
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Those that it had in the log. */
  readonly headers: ReadonlyArray<Header>
  /** Where it is in the log since it was sent again, as `weather/0/99`; one place for each time. */
  readonly redrives: ReadonlyArray<string>
}

/** The topic cannot be read or written now; it may be tried again. */
export class DeadLettersUnavailable extends Schema.TaggedError<DeadLettersUnavailable>()("DeadLettersUnavailable", {
  operation: Schema.String,
  /** What is wrong, and what to do, as the end of a sentence. */
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

/** The embedded profile has no dead letters. */
export class NoDeadLetters extends Schema.TaggedError<NoDeadLetters>()("NoDeadLetters", {}) {
  override get message() {
    return "There are no dead letters: the embedded log takes valid records only, so nothing invalid ever reaches it."
  }
}

/** The dead letters there were at one time. */
export interface DeadLettersSnapshot {
  readonly topic: string
  /** Made with the topic; another topic has another id. */
  readonly topicId: string
  readonly waiting: number
  readonly redriven: number
  /** All of them, in the order in which they were refused. */
  readonly letters: Stream.Stream<DeadLetter, DeadLettersUnavailable>
  readonly find: (position: Position) => Effect.Effect<DeadLetter, DeadLettersUnavailable | NoSuchDeadLetter>
  readonly redrivesOf: (position: Position) => Effect.Effect<ReadonlyArray<string>, NoSuchDeadLetter>
}

export class DeadLetters extends Context.Service<
  DeadLetters,
  {
    /** Reads all of the topic once, for what was sent again; `told` hears how far it is. */
    readonly now: (
      told: (read: number, total: number) => Effect.Effect<void>
    ) => Effect.Effect<DeadLettersSnapshot, DeadLettersUnavailable | NoDeadLetters>
    /** Notes durably that a dead letter was sent again, and where it is in the log since then. */
    readonly remember: (position: Position, at: string) => Effect.Effect<void, DeadLettersUnavailable | NoDeadLetters>
  }
>()("floe/services/DeadLetters") {}
