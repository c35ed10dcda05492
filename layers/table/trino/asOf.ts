/** Which snapshot is meant by an id or a time. */
import { Effect, Schema } from "effect"
import type { Query } from "../../../services/Query.ts"
import { type AsOf, SnapshotMissing } from "../../../services/TableReader.ts"
import * as Rows from "./rows.ts"

const Kept = Schema.Tuple([
  Schema.NullOr(Schema.String),
  Rows.Whole,
  Schema.NullOr(Schema.String),
  Schema.NullOr(Rows.Whole)
])

/** The snapshot's id. A time stands for the one that was current then. */
const wanted = (table: string, asOf: AsOf) =>
  asOf._tag === "Snapshot"
    ? // Trino has no number for some of 19 digits.
      `try_cast('${asOf.id}' AS bigint)`
    : `(SELECT max_by(snapshot_id, made_current_at) FROM ${Rows.about(table, "history")} WHERE ${Rows.millisOf("made_current_at")} <= ${asOf.millis})`

export const find = Effect.fn("AsOf.find")(function* (query: Query["Service"], table: string, asOf: AsOf) {
  const [kept] = yield* Rows.all(
    query,
    { table, operation: "looking for a snapshot", row: Kept },
    `SELECT max(IF(snapshot_id = ${wanted(table, asOf)}, snapshot_id)), count(*), min_by(snapshot_id, committed_at), ${Rows.millisOf("min(committed_at)")}
FROM ${Rows.about(table, "snapshots")}`
  )
  const [id, count, oldest, oldestAt] = kept ?? [null, 0, null, null]
  if (id !== null) return id
  return yield* new SnapshotMissing({ asOf, kept: count, oldest: oldest ?? "none", oldestAt: oldestAt ?? 0 })
})
