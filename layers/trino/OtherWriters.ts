/** What others than the sink and the upkeep have committed to `default.weather`, as far as its snapshots are kept. */
import { Effect, Schema } from "effect"
import type { Query } from "../../services/Query.ts"
import { weather } from "../../services/TableReader.ts"
import * as Rows from "./Rows.ts"

export interface OtherWriter {
  readonly snapshot: string
  /** As it names itself: trino, spark. */
  readonly by: string
  readonly added: number
  readonly deleted: number
}

const Row = Schema.Tuple([Schema.String, Schema.String, Rows.Whole, Rows.Whole])

const count = (...names: ReadonlyArray<string>) =>
  names.map((name) => `coalesce(try_cast(element_at(s.summary, '${name}') AS bigint), 0)`).join(" + ")
const added = count("added-records")
const deleted = count("deleted-records", "added-position-deletes", "added-equality-deletes")

/**
 * The first snapshot of a table has no parent and whatever it was made with; `replace` leaves the rows as they are. A
 * statement that rewrites files names the rows that stay on both sides.
 */
const statement = `SELECT s.snapshot_id,
  coalesce(element_at(s.summary, 'engine-name'), IF(element_at(s.summary, 'trino_query_id') IS NULL, 'another program', 'trino')),
  ${added}, ${deleted}
FROM ${Rows.about(weather, "snapshots")} s
WHERE s.parent_id IS NOT NULL AND s.operation <> 'replace' AND element_at(s.summary, 'kafka.connect.commit-id') IS NULL
  AND s.snapshot_id IN (SELECT snapshot_id FROM ${Rows.about(weather, "history")} WHERE is_current_ancestor)
  AND ${added} + ${deleted} > 0
ORDER BY s.committed_at`

export const find = Effect.fn("OtherWriters.find")(function* (query: Query["Service"]) {
  const rows = yield* Rows.all(query, { table: weather, operation: "asking who wrote to it", row: Row }, statement)
  return rows.map(([snapshot, by, added, deleted]): OtherWriter => ({ snapshot, by, added, deleted }))
})

const several = (count: number) => count.toLocaleString("en-US")

/** As "snapshot 4711 by spark, +1 −0 rows". */
export const described = ({ snapshot, by, added, deleted }: OtherWriter) =>
  `snapshot ${snapshot} by ${by}, +${several(added)} −${several(deleted)} rows`
