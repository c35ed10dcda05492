/**
 * The Hive Metastore, which keeps where the table's metadata is.
 * Owns: its version, locks on tables. Does not own: tables (TableReader).
 */
import { Context, type Effect, Schema } from "effect"

export interface HiveLock {
  readonly id: number
  /** Null where a whole schema is locked. */
  readonly table: string | null
  readonly schema: string
  /** ACQUIRED, WAITING, ABORT or NOT_ACQUIRED. */
  readonly state: string
  /** Milliseconds since 1970; null if it was never acquired. */
  readonly acquiredAt: number | null
  readonly heartbeatAt: number | null
  readonly user: string
  readonly host: string
}

export class MetastoreUnavailable extends Schema.TaggedError<MetastoreUnavailable>()("MetastoreUnavailable", {
  operation: Schema.String,
  /** What is wrong, and what to do, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The metastore cannot be reached (${this.operation}): ${this.reason}.`
  }
}

export class Metastore extends Context.Service<
  Metastore,
  {
    /** Version of its interface, as it reports it: 3.0 for every Hive 3. */
    readonly version: Effect.Effect<string, MetastoreUnavailable>
    /** All locks that it has. */
    readonly locks: Effect.Effect<ReadonlyArray<HiveLock>, MetastoreUnavailable>
  }
>()("floe/services/Metastore") {}
