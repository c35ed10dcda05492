/**
 * The durable log of weather events, the only source of truth.
 * Owns: append, order, idempotency keys, replay. Does not own: validation (Weather), the table (Table), retries of callers.
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { WeatherRecord } from "./Weather.ts"

/** Place of an event: offsets count 0, 1, 2, … within a partition, without gaps. */
export const Position = Schema.Struct({
  partition: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  offset: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
})
export type Position = typeof Position.Type

/** `count` positions that follow each other: offset, offset + 1, … */
export const PositionRun = Schema.Struct({
  ...Position.fields,
  count: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
})
export type PositionRun = typeof PositionRun.Type

export interface LoggedEvent {
  readonly position: Position
  readonly record: WeatherRecord
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
}

/** An Idempotency-Key, and a digest of the request it stands for: the same key with another digest is refused. */
export interface IdempotencyKey {
  readonly key: string
  readonly digest: string
}

export interface Append {
  /** At least one; all of one append have the same `ts`. */
  readonly records: ReadonlyArray<WeatherRecord>
  readonly idempotency?: IdempotencyKey | undefined
}

export interface Appended {
  /** In the order of the records. */
  readonly positions: ReadonlyArray<PositionRun>
  /** The hour under which the records are logged: the first one, when a key is repeated after the hour has turned. */
  readonly ts: string
  /** True if the key had been used before for the same records: nothing was logged by this append. */
  readonly repeated: boolean
}

export interface PartitionBounds {
  readonly partition: number
  /** First offset that can be read. */
  readonly start: number
  /** Offset that the next event gets. */
  readonly end: number
}

/** An id that a log had before it was restored from a backup: up to `end` it still holds the same events. */
export const EarlierId = Schema.Struct({ logId: Schema.String, end: Schema.Int })
export type EarlierId = typeof EarlierId.Type

export interface LogBounds {
  /** Made with the log, and replaced when the log is restored from a backup; another log has another id. */
  readonly logId: string
  /** Oldest first; none if the log was never restored. */
  readonly earlier?: ReadonlyArray<EarlierId>
  readonly partitions: ReadonlyArray<PartitionBounds>
}

/** Whether log `logId`, up to `offset` of its one partition, has the same events as this log. */
export const isSameLog = ({ earlier = [], ...bounds }: LogBounds, logId: string, offset: number) =>
  logId === bounds.logId || earlier.some((one) => one.logId === logId && offset <= one.end)

/** The log cannot be used now, and nothing was logged; the same call may be tried again. */
export class LogUnavailable extends Schema.TaggedError<LogUnavailable>()("LogUnavailable", {
  operation: Schema.String,
  /** What is wrong, and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The event log is unavailable (${this.operation}): ${this.reason}.`
  }
}

/**
 * Whether the records were logged, all, some or none of them, is not known. A repeat with the same Idempotency-Key
 * completes what is missing and doubles nothing.
 */
export class AppendOutcomeUnknown extends Schema.TaggedError<AppendOutcomeUnknown>()("AppendOutcomeUnknown", {
  operation: Schema.String,
  /** What happened, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `It is not known what was logged (${this.operation}): ${this.reason}.`
  }
}

/** The log takes no record as large as one of these; nothing was logged, and trying again does not help. */
export class RecordTooLarge extends Schema.TaggedError<RecordTooLarge>()("RecordTooLarge", {
  /** Which of the records, from 0 on. */
  index: Schema.Int,
  bytes: Schema.Int,
  /** At most so many. */
  limit: Schema.Int
}) {
  override get message() {
    return `Record ${this.index + 1} takes ${this.bytes} bytes in the log, and the topic takes records of at most ${this.limit} (its max.message.bytes).`
  }
}

/** The log's own evidence contradicts it from `position` on: a flipped bit, a missing row, an end below what was acknowledged. Trying again does not help. */
export class LogCorrupt extends Schema.TaggedError<LogCorrupt>()("LogCorrupt", {
  position: Position,
  reason: Schema.String
}) {
  override get message() {
    return `The event log is broken at partition ${this.position.partition}, offset ${this.position.offset}: ${this.reason}.`
  }
}

/** The key stands for another request. */
export class KeyReused extends Schema.TaggedError<KeyReused>()("KeyReused", {}) {
  override get message() {
    return "This Idempotency-Key was used for a different request."
  }
}

/** A request with the same key has not been answered yet; it may be tried again. */
export class KeyInFlight extends Schema.TaggedError<KeyInFlight>()("KeyInFlight", {}) {
  override get message() {
    return "A request with this Idempotency-Key is still in flight."
  }
}

/** Reading: any number of processes, while one appends. */
export class EventLogReader extends Context.Service<
  EventLogReader,
  {
    readonly bounds: Effect.Effect<LogBounds, LogUnavailable | LogCorrupt>
    /**
     * Events of a partition from `from` on, in order and in chunks. With `until: "end"` the stream ends at the end
     * that the log had when the stream started; otherwise it goes on with new events as they come. A `from` beyond
     * the end of the log is LogCorrupt at the end: whoever asks has seen more than there is.
     */
    readonly read: (
      from: Position,
      options?: { readonly until?: "end" | undefined }
    ) => Stream.Stream<LoggedEvent, LogUnavailable | LogCorrupt>
    /** Offset of the first event between these bounds that was accepted at this time (ms since 1970) or later; their end if there is none. */
    readonly firstAt: (bounds: PartitionBounds, millis: number) => Effect.Effect<number, LogUnavailable | LogCorrupt>
  }
>()("floe/services/EventLogReader") {}

export class EventLog extends Context.Service<
  EventLog,
  {
    /** Tells this log from every other; null where the log does not have one id for good. */
    readonly logId: string | null
    /** Succeeds once all the records are durable; on every failure but AppendOutcomeUnknown none is logged. */
    readonly append: (
      append: Append
    ) => Effect.Effect<Appended, LogUnavailable | AppendOutcomeUnknown | RecordTooLarge | KeyReused | KeyInFlight>
    /** Succeeds if an append would be taken now; after a failed write it tries one that leaves no event behind. */
    readonly ready: Effect.Effect<void, LogUnavailable>
  }
>()("floe/services/EventLog") {}
