/**
 * Rebuilding the table from the log.
 * Owns: making a table beside the old one, going on after an interruption, putting it in place. Does not own: the log (EventLogReader), how rows are written.
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { LogCorrupt, LogUnavailable } from "./EventLog.ts"
import type { TableBroken, TableUnavailable } from "./Table.ts"

export interface RebuildProgress {
  /** Events of the log that are in the table or on their way into it. */
  readonly events: number
  /** Events of the log when the replay began, which is where it ends. */
  readonly total: number
  /** Of those, how many an earlier replay had brought in. */
  readonly found: number
}

/** It must not be done; nothing was changed. */
export class RebuildRefused extends Schema.TaggedError<RebuildRefused>()("RebuildRefused", {
  /** A sentence that says what to do. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

/** It cannot be done now; what was done is kept, and the same call goes on from there. */
export class RebuildUnavailable extends Schema.TaggedError<RebuildUnavailable>()("RebuildUnavailable", {
  /** A sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

/** What a swap would undo, and undoes only where it is told to. */
export interface Discards {
  /** Rows of the old table of which the log has no event. */
  readonly missingRows?: boolean | undefined
  /** Rows that another program than the sink has written or deleted. */
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
    /** Whether a swap that is interrupted may go on elsewhere: a running sink has taken it up. */
    readonly continuesWhenInterrupted: boolean
    /**
     * Brings the log, up to its end as it is now, into the table `default.<table>`: a new one, or one that an earlier
     * replay has left unfinished. With `finished`, also one that it has finished, and what brings the log is kept for
     * the swap that follows. Each event is in it once, whatever was killed and when. A log that has lost its beginning
     * is refused without `discard.missingRows`.
     */
    readonly into: (
      table: string,
      options?: { readonly finished?: boolean | undefined; readonly discard?: Discards | undefined }
    ) => Stream.Stream<RebuildProgress, RebuildError>
    /**
     * Puts a finished table in place of `default.weather`, in one step; the answer is a sentence. `told` is given
     * another whenever there is news.
     */
    readonly promote: (
      table: string,
      onProgress: (news: string) => Effect.Effect<void>,
      discard?: Discards
    ) => Effect.Effect<string, RebuildError>
  }
>()("floe/services/Rebuild") {}
