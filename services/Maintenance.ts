/**
 * Upkeep of the table on request: small files merged, old snapshots expired, files that nobody needs removed.
 * Owns: what there is to do, doing all of it now. Does not own: the sink's own upkeep beside its commits.
 */
import { Context, type Effect, Schema } from "effect"
import type { TableReadError } from "./TableReader.ts"

const Files = Schema.Struct({ files: Schema.Int, bytes: Schema.Int })

export const MaintenancePlan = Schema.Struct({
  /** Data files that would be merged, of so many partitions, and into how many. */
  compact: Schema.Struct({ ...Files.fields, partitions: Schema.Int, into: Schema.Int }),
  /** Snapshots beyond those to keep, and the files that only they need. */
  expire: Schema.Struct({ snapshots: Schema.Int, ...Files.fields }),
  /** Files that no snapshot needs. */
  remove: Files,
  /** What is left alone although it seems superfluous, and why: sentences. */
  left: Schema.optionalKey(Schema.Array(Schema.String))
})
export type MaintenancePlan = typeof MaintenancePlan.Type

/** It could not be done; it may be tried again. */
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
    /** Whether a run that is interrupted may go on elsewhere: a running sink has taken it up. */
    readonly continuesWhenInterrupted: boolean
    /** What there is to do at this moment. Nothing is changed. */
    readonly plan: Effect.Effect<MaintenancePlan, TableReadError | MaintenanceFailed>
    /** Does it, beside commits; the answer is a sentence. `told` is given another whenever there is news. */
    readonly run: (
      told: (news: string) => Effect.Effect<void>
    ) => Effect.Effect<string, TableReadError | MaintenanceFailed>
  }
>()("floe/services/Maintenance") {}
