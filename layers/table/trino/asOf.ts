/** Resolves a snapshot id or a time to a snapshot that the table keeps. */
import { Effect, Schema } from "effect"
import { type AsOf, SnapshotMissing } from "../../../services/TableReader.ts"
import * as Rows from "./rows.ts"

const Kept = Schema.Tuple([
  Schema.NullOr(Schema.String),
  Rows.Whole,
  Schema.NullOr(Schema.String),
  Schema.NullOr(Rows.Whole)
])

const wanted = (table: string, asOf: AsOf) =>
  asOf._tag === "Snapshot"
    ? // Some numbers of 19 digits do not fit a bigint.
      `try_cast('${asOf.id}' AS bigint)`
    : `(SELECT max_by(snapshot_id, made_current_at) FROM ${Rows.metadataTable(table, "history")} WHERE ${Rows.millisOf("made_current_at")} <= ${asOf.millis})`

export const find = Effect.fn("AsOf.find")(function* (table: string, asOf: AsOf) {
  const [kept] = yield* Rows.all(
    { table, operation: "looking for a snapshot", row: Kept },
    `SELECT max(IF(snapshot_id = ${wanted(table, asOf)}, snapshot_id)), count(*), min_by(snapshot_id, committed_at), ${Rows.millisOf("min(committed_at)")}
FROM ${Rows.metadataTable(table, "snapshots")}`
  )
  const [id, count, oldest, oldestAt] = kept ?? [null, 0, null, null]
  if (id !== null) return id
  return yield* new SnapshotMissing({ asOf, kept: count, oldest: oldest ?? "none", oldestAt: oldestAt ?? 0 })
})
