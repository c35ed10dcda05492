/** What others than the sink and the upkeep have committed to `default.weather`, as far as its snapshots are kept. */
import { Effect } from "effect"
import type { Query } from "../../../services/Query.ts"
import type { OtherChange } from "../../../services/TableChecksums.ts"
import { weather } from "../../../services/TableReader.ts"
import { isSinkCommit } from "./sinkCommit.ts"
import * as Snapshots from "./snapshots.ts"

export interface OtherSnapshot extends OtherChange {
  readonly parentId: string
}

const countOf = (summary: Snapshots.Snapshot["summary"], ...names: ReadonlyArray<string>) =>
  names.reduce((sum, name) => sum + (Number(summary[name]) || 0), 0)

/**
 * Those in a line, oldest first. The first snapshot of a table has no parent and whatever it was made with; `replace`
 * leaves the rows as they are. A statement that rewrites files counts the rows that stay on both sides.
 */
export const among = (line: ReadonlyArray<Snapshots.Snapshot>): ReadonlyArray<OtherSnapshot> =>
  line.toReversed().flatMap(({ id, operation, parentId, summary }) => {
    if (parentId === null || operation === "replace" || isSinkCommit(summary)) return []
    const by = summary["engine-name"] ?? (summary.trino_query_id === undefined ? "another program" : "trino")
    const added = countOf(summary, "added-records")
    const deleted = countOf(summary, "deleted-records", "added-position-deletes", "added-equality-deletes")
    return added + deleted === 0 ? [] : [{ snapshotId: id, parentId, by, added, deleted }]
  })

export const find = Effect.fn("OtherWriters.find")(function* (query: Query["Service"]) {
  return among(Snapshots.currentLine(yield* Snapshots.read(query, weather)))
})
