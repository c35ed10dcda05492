/**
 * Leases that running queries hold on the snapshot they read, so that upkeep does not remove its files.
 * Owns: who reads which snapshot. Does not own: snapshots, files.
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
     * Holds a lease on the snapshot of this id, in decimal, until the scope closes, or the process dies. The holder must look again, once it has the lease,
     * whether the snapshot is still in the table's metadata: only then are its files safe.
     */
    readonly hold: (snapshotId: string) => Effect.Effect<void, LeaseUnavailable, Scope.Scope>
    /** Snapshots on which someone holds a lease now. */
    readonly held: Effect.Effect<ReadonlySet<string>, LeaseUnavailable>
  }
>()("floe/services/Leases") {}
