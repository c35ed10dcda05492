/**
 * What Kafka Connect's Iceberg sink tells of its commits on its control topic: how far the log was in each.
 * Owns: positions of the log by commit. Does not own: snapshots (TableReader), what the sink does.
 */
import { Context, type Effect, Schema } from "effect"
import type { Position } from "./EventLog.ts"

/** A commit as the summary of its snapshot names it. */
export interface SinkCommit {
  /** A UUID. */
  readonly id: string
  /** The sink's control topic, and the next offset of its partition 0 that the sink had to read when it committed. */
  readonly control: string
  readonly end: number
}

export class SinkCommitsUnavailable extends Schema.TaggedError<SinkCommitsUnavailable>()("SinkCommitsUnavailable", {
  /** What is wrong, and what to do, as the end of a sentence. */
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
     * By the commit's id: of each partition of the log the next position that is not in the table after this commit.
     * A commit is left out where the control topic does not tell, such as one that was made before all was there.
     */
    readonly positions: (
      commits: ReadonlyArray<SinkCommit>
    ) => Effect.Effect<ReadonlyMap<string, ReadonlyArray<Position>>, SinkCommitsUnavailable>
  }
>()("floe/services/SinkCommits") {}
