/**
 * Rebuilds a stream's table from the log.
 * Owns: building a table beside the old one, resuming after an interruption, promoting it. Does not own: the log (EventLogReader), how rows are written.
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { LogCorrupt, LogUnavailable } from "./EventLog.ts"
import type { TableBroken, TableUnavailable } from "./TableWriter.ts"

export interface RebuildProgress {
  /** Events of the log that are in the table or staged for it. */
  readonly events: number
  /** Events of the log when the rebuild started, which is where it ends. */
  readonly total: number
  /** Events that an earlier run had brought in. */
  readonly resumedAt: number
}

/** The rebuild must not run; nothing was changed. */
export class RebuildRefused extends Schema.TaggedError<RebuildRefused>()("RebuildRefused", {
  /** A sentence that states what to do. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** The rebuild cannot run now; finished work is kept, and the same call resumes. */
export class RebuildUnavailable extends Schema.TaggedError<RebuildUnavailable>()("RebuildUnavailable", {
  /** A sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

/** What a promotion may undo. */
export interface Discards {
  /** Rows of the old table that are not in the log. */
  readonly missingRows?: boolean | undefined
  /** Changes by programs other than the sink. */
  readonly otherWriters?: boolean | undefined
}

export type RebuildError =
  | RebuildRefused
  | RebuildUnavailable
  | LogUnavailable
  | LogCorrupt
  | TableUnavailable
  | TableBroken

export class Rebuild extends Context.Service<
  Rebuild,
  {
    /** Whether an interrupted promotion may complete elsewhere, in a running sink. */
    readonly continuesWhenInterrupted: boolean
    /**
     * Brings the log of a stream (weather by default), up to its present end, into the table `default.<table>`: a new one, or one that an earlier rebuild
     * left unfinished. With `finished`, also a finished one, and whatever feeds it stays for the promotion that follows.
     * The table has each event once, whatever was killed and when. Refuses a log that has lost its beginning, unless
     * `discard.missingRows` is set.
     */
    readonly into: (
      table: string,
      options?: {
        readonly stream?: string | undefined
        readonly finished?: boolean | undefined
        readonly discard?: Discards | undefined
      }
    ) => Stream.Stream<RebuildProgress, RebuildError>
    /** Puts a finished table in place of the stream's (of `default.weather` by default) in one step; returns a sentence. Calls `onProgress` with each step. */
    readonly promote: (
      table: string,
      onProgress: (step: string) => Effect.Effect<void>,
      discard?: Discards,
      stream?: string
    ) => Effect.Effect<string, RebuildError>
  }
>()("floe/services/Rebuild") {}
