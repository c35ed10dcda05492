/**
 * Leases that running queries hold on the snapshots they read, so that maintenance does not remove their files.
 * Owns: which snapshots are being read. Does not own: snapshots, files.
 */
import { Context, type Effect, Schema, type Scope } from "effect"

export class LeaseUnavailable extends Schema.TaggedError<LeaseUnavailable>()("LeaseUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Leases on snapshots are unavailable (${this.operation}): ${this.reason}.`
  }
}

export class Leases extends Context.Service<
  Leases,
  {
    /**
     * Holds a lease on the snapshot with this id, in decimal, until the scope closes or the process dies. The snapshot's
     * files are safe only if the snapshot is still in the table's metadata after the lease was acquired: check again.
     */
    readonly hold: (snapshotId: string) => Effect.Effect<void, LeaseUnavailable, Scope.Scope>
    /** The ids of the snapshots that are leased now. */
    readonly held: Effect.Effect<ReadonlySet<string>, LeaseUnavailable>
  }
>()("floe/services/Leases") {}
