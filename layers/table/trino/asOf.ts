/** Resolves a snapshot id or a time to a snapshot that the table keeps. */
import { Effect, Schema, Stream } from "effect"
import { Query, QueryFailed } from "../../../services/Query.ts"
import { type AsOf, SnapshotMissing, weather } from "../../../services/TableReader.ts"
import { columns as weatherColumns } from "../../../services/Weather.ts"
import * as Rows from "./rows.ts"
import { nameOf } from "./streamTable.ts"
import { type Binding, identifiersOf } from "./timeTravel.ts"
import { quoted } from "./trinoTypes.ts"

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

const Name = Schema.Tuple([Schema.String])

const columnsAt = Effect.fnUntraced(function* (table: string, snapshotId: string) {
  const { columns, rows } = yield* (yield* Query).execute(
    `SELECT * FROM ${nameOf(table)} FOR VERSION AS OF ${snapshotId} LIMIT 0`
  )
  yield* Stream.runDrain(rows)
  return columns.map(({ name }) => quoted(name)).join(", ")
}, Effect.scoped)

/** The tables that a statement names, at their snapshots. */
export const bindingsOf = Effect.fn("AsOf.bindingsOf")(function* (statement: string, asOf: AsOf) {
  const names = identifiersOf(statement)
  if (names.length === 0) return []
  // Trino lists a table once for each name that is asked for.
  const tables = yield* Rows.all(
    { table: names[0] ?? "", operation: "looking for the tables of the query", row: Name },
    `SELECT DISTINCT table_name FROM iceberg.information_schema.tables
WHERE table_schema = 'default' AND table_name IN (${names.map(Rows.literal).join(", ")}) ORDER BY 1`
  )
  if (asOf._tag === "Snapshot" && tables.length > 1) {
    return yield* QueryFailed.because(
      "A snapshot belongs to one table, but the statement names several; give a time instead."
    )
  }
  return yield* Effect.forEach(
    tables,
    Effect.fnUntraced(function* ([table]) {
      const snapshotId = yield* find(table, asOf)
      const columns = table === weather ? weatherColumns.join(", ") : yield* columnsAt(table, snapshotId)
      return { table, snapshotId, columns } satisfies Binding
    })
  )
})
