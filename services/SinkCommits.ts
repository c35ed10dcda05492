/**
 * Reads the commits of Kafka Connect's Iceberg sink from its control topic.
 * Owns: positions of the log by commit. Does not own: snapshots (TableReader), what the sink does.
 */
import { Context, type Effect, Schema } from "effect"
import type { Position } from "./EventLog.ts"

/** A commit, as its snapshot's summary describes it. */
export interface SinkCommit {
  /** A UUID. */
  readonly id: string
  /** The sink's control topic. */
  readonly controlTopic: string
  /** The next offset of the control topic's partition 0 at the time of the commit. */
  readonly end: number
}

export class SinkCommitsUnavailable extends Schema.TaggedError<SinkCommitsUnavailable>()("SinkCommitsUnavailable", {
  /** The problem and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The sink's control topic cannot be read: ${this.reason}.`
  }
}

export class SinkCommits extends Context.Service<
  SinkCommits,
  {
    /**
     * For each commit id, the next position of every partition of the stream's log (weather's by default) that is not in the table after the commit.
     * Omits a commit whose positions the control topic does not show, for example one from before a partition's first event.
     */
    readonly positions: (
      commits: ReadonlyArray<SinkCommit>,
      stream?: string
    ) => Effect.Effect<ReadonlyMap<string, ReadonlyArray<Position>>, SinkCommitsUnavailable>
  }
>()("floe/services/SinkCommits") {}
