/**
 * Maintains the table on request: merges small files, expires old snapshots, removes orphan files.
 * Owns: what there is to do, doing all of it now. Does not own: the sink's own maintenance between commits.
 */
import { Context, type Effect, Schema } from "effect"
import type { TableReadError } from "./TableReader.ts"

const Files = Schema.Struct({ files: Schema.Int, bytes: Schema.Int })

export const MaintenancePlan = Schema.Struct({
  /** Data files to merge, the number of their partitions, and how many files they become. */
  compact: Schema.Struct({ ...Files.fields, partitions: Schema.Int, into: Schema.Int }),
  /** Snapshots to expire, and the files that only they reference. */
  expire: Schema.Struct({ snapshots: Schema.Int, ...Files.fields }),
  /** Files that no snapshot references. */
  remove: Files,
  /** What is kept although it looks superfluous, and why: sentences. */
  left: Schema.optionalKey(Schema.Array(Schema.String))
})
export type MaintenancePlan = typeof MaintenancePlan.Type

/** Maintenance failed and may be retried. */
export class MaintenanceFailed extends Schema.TaggedError<MaintenanceFailed>()("MaintenanceFailed", {
  /** A sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

export class Maintenance extends Context.Service<
  Maintenance,
  {
    /** Whether an interrupted run may continue elsewhere, in a running sink. */
    readonly continuesWhenInterrupted: boolean
    /** What there is to do now. Changes nothing. */
    readonly plan: Effect.Effect<MaintenancePlan, TableReadError | MaintenanceFailed>
    /** Does it between commits; returns a sentence. Calls `onProgress` with each step. */
    readonly run: (
      onProgress: (step: string) => Effect.Effect<void>
    ) => Effect.Effect<string, TableReadError | MaintenanceFailed>
  }
>()("floe/services/Maintenance") {}
