/**
 * The durable log of the events of all streams, the only source of truth.
 * Owns: append, order, idempotency keys, reading. Does not own: validation (the door), the table (Table), retries of callers.
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { WeatherRecord } from "./Weather.ts"

/** The position of an event in its stream: offsets count 0, 1, 2, … within a partition, without gaps. */
export const Position = Schema.Struct({
  partition: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  offset: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
})
export type Position = typeof Position.Type

/** `count` consecutive positions: offset, offset + 1, … */
export const PositionRun = Schema.Struct({
  ...Position.fields,
  count: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
})
export type PositionRun = typeof PositionRun.Type

/** Weather's three strings; of any other stream the event in canonical form: one JSON object as text. */
export type LogRecord = WeatherRecord | string

export interface LoggedEvent<R extends LogRecord = WeatherRecord> {
  readonly position: Position
  readonly record: R
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
  /** Of the definition that the record was checked against; absent for weather. */
  readonly schemaVersion?: number
}

/** An Idempotency-Key and the digest of its request: the same key with another request is rejected. */
export interface IdempotencyKey {
  readonly key: string
  readonly digest: string
  /**
   * The digests that the same request had under earlier definitions of its stream, newest first: the canonical form of a
   * value depends on its type. They are computed as they are iterated.
   */
  readonly earlier?: Iterable<string> | undefined
}

/** Whether the request is the one that used its key first, which had the digest `first`. */
export const isSameRequest = ({ digest, earlier = [] }: IdempotencyKey, first: string | null) => {
  if (first === digest) return true
  for (const one of earlier) if (first === one) return true
  return false
}

/** What the door did not accept, kept with the log as a dead letter. */
export interface Rejected {
  /** The event as the client sent it. */
  readonly value: string
  readonly reason: string
}

interface AppendOf<R extends LogRecord> {
  /** At least one record, unless some are rejected. Weather's all have the same `ts`. */
  readonly records: ReadonlyArray<R>
  readonly rejected?: ReadonlyArray<Rejected> | undefined
  /** Each stream has its own keys. */
  readonly idempotency?: IdempotencyKey | undefined
}

export interface WeatherAppend extends AppendOf<WeatherRecord> {
  readonly stream?: undefined
}

/** `stream` is any stream but weather. */
interface StreamAppend extends AppendOf<string> {
  readonly stream: string
  /** The version of the definition that the records were checked against. */
  readonly schemaVersion: number
}

/** The stream is weather if none is named. */
export type Append = WeatherAppend | StreamAppend

export interface Appended {
  /** In the order of the records; empty if there were none. */
  readonly positions: ReadonlyArray<PositionRun>
  /** Of weather alone: the hour of the logged records; for a repeated key the hour of the first append. */
  readonly ts?: string | undefined
  /** True if the key was used before for the same records: this append logged nothing. */
  readonly repeated: boolean
}

export interface PartitionBounds {
  readonly partition: number
  /** First readable offset. */
  readonly start: number
  /** Offset of the next event. */
  readonly end: number
}

/** A former id of a log that was restored from a backup: up to `end` both logs have the same events. */
export const EarlierId = Schema.Struct({ logId: Schema.String, end: Schema.Int })
export type EarlierId = typeof EarlierId.Type

export interface LogBounds {
  /** Created with the log, and replaced when the log is restored from a backup. */
  readonly logId: string
  /** Former ids, oldest first; empty if the log was never restored. */
  readonly earlier?: ReadonlyArray<EarlierId>
  readonly partitions: ReadonlyArray<PartitionBounds>
}

/** Whether log `logId`, up to `offset` of its one partition, has the same events as this log. */
export const isSameLog = ({ earlier = [], ...bounds }: LogBounds, logId: string, offset: number) =>
  logId === bounds.logId || earlier.some((one) => one.logId === logId && offset <= one.end)

/** There is no log yet at `path`. */
export class LogMissing extends Schema.TaggedError<LogMissing>()("LogMissing", { path: Schema.String }) {
  override get message() {
    return `there is no log yet at ${this.path}; start the logging server`
  }
}

/** The disk of the log, or of its copy, has no room. */
export class DiskFull extends Schema.TaggedError<DiskFull>()("DiskFull", {}) {
  override get message() {
    return "the disk is full; free some space, and it resumes by itself"
  }
}

/** Anything else: the message is the cause and the fix, as the end of a sentence. */
class LogUnusable extends Schema.TaggedError<LogUnusable>()("LogUnusable", { message: Schema.String }) {}

/** The log cannot be used now, and nothing was logged. A retry can help. */
export class LogUnavailable extends Schema.TaggedError<LogUnavailable>()("LogUnavailable", {
  operation: Schema.String,
  reason: Schema.Union([LogMissing, DiskFull, LogUnusable]),
  cause: Schema.Defect()
}) {
  override get message() {
    return `The event log is unavailable (${this.operation}): ${this.reason.message}.`
  }

  static because(operation: string, message: string, cause?: unknown) {
    return new LogUnavailable({ operation, reason: new LogUnusable({ message }), cause })
  }
}

/**
 * It is unknown whether all, some or none of the records were logged. A repeat with the same Idempotency-Key logs the
 * missing ones, and none twice.
 */
export class AppendOutcomeUnknown extends Schema.TaggedError<AppendOutcomeUnknown>()("AppendOutcomeUnknown", {
  operation: Schema.String,
  /** The cause, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `It is unknown what was logged (${this.operation}): ${this.reason}.`
  }
}

/** A record is too large for the log. Nothing was logged, and a retry does not help. */
export class RecordTooLarge extends Schema.TaggedError<RecordTooLarge>()("RecordTooLarge", {
  /** Index of the record, from 0. */
  index: Schema.Int,
  bytes: Schema.Int,
  /** The largest allowed size. */
  limit: Schema.Int
}) {
  override get message() {
    return `Record ${this.index + 1} takes ${this.bytes} bytes in the log, but the topic allows at most ${this.limit} (its max.message.bytes).`
  }
}

/** The log is damaged from `position` on: a flipped bit, a missing row, an end before the last acknowledged event. A retry does not help. */
export class LogCorrupt extends Schema.TaggedError<LogCorrupt>()("LogCorrupt", {
  position: Position,
  reason: Schema.String,
  /** Absent for weather, and for what concerns the whole log. */
  stream: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    const stream = this.stream === undefined ? "" : ` in the stream ${this.stream},`
    return `The event log is corrupt${stream} at partition ${this.position.partition}, offset ${this.position.offset}: ${this.reason}.`
  }
}

/** The key was used for another request. */
export class KeyReused extends Schema.TaggedError<KeyReused>()("KeyReused", {}) {
  override get message() {
    return "This Idempotency-Key was used for a different request."
  }
}

/** A request with the same key is still in flight. A retry can help. */
export class KeyInFlight extends Schema.TaggedError<KeyInFlight>()("KeyInFlight", {}) {
  override get message() {
    return "A request with this Idempotency-Key is still in flight."
  }
}

/** Reads one stream of the log. */
export interface LogReader<R extends LogRecord = LogRecord> {
  readonly bounds: Effect.Effect<LogBounds, LogUnavailable | LogCorrupt>
  /**
   * The events of a partition from `from` on, in order and in chunks. With `until: "end"` the stream ends at the end
   * that the log had when the stream started; otherwise it continues with new events. A `from` beyond the end of the
   * log is LogCorrupt: the log has lost events that the caller saw.
   */
  readonly read: (
    from: Position,
    options?: { readonly until?: "end" | undefined }
  ) => Stream.Stream<LoggedEvent<R>, LogUnavailable | LogCorrupt>
  /** Offset of the first event within the bounds that was accepted at `millis` (since 1970) or later; else the end of the bounds. */
  readonly firstAt: (bounds: PartitionBounds, millis: number) => Effect.Effect<number, LogUnavailable | LogCorrupt>
}

/** Reads the log: weather's events, and with `of` those of any stream. Any number of processes may read while one appends. */
export class EventLogReader extends Context.Service<
  EventLogReader,
  LogReader<WeatherRecord> & {
    /** The events of a stream, weather included. A stream without events is empty. */
    readonly of: (stream: string) => LogReader
  }
>()("floe/services/EventLogReader") {}

export class EventLog extends Context.Service<
  EventLog,
  {
    /** The unique id of this log; null if its id can change (Kafka). */
    readonly logId: string | null
    /** Succeeds once all records are durable. On any failure but AppendOutcomeUnknown, none is logged. */
    readonly append: (
      append: Append
    ) => Effect.Effect<Appended, LogUnavailable | AppendOutcomeUnknown | RecordTooLarge | KeyReused | KeyInFlight>
    /** Succeeds if the log accepts appends now; after a failed write it tests one that leaves no event. */
    readonly ready: Effect.Effect<void, LogUnavailable>
    /** How many events the log has of a stream that exists; absent where offsets have gaps (Kafka). */
    readonly count?: ((stream: string) => number) | undefined
  }
>()("floe/services/EventLog") {}
