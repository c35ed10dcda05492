/** Finds the snapshots of a stream's table that neither the sink nor maintenance committed. */
import { Effect } from "effect"
import type { OtherChange } from "../../../services/TableChecksums.ts"
import { isSinkCommit } from "./sinkCommit.ts"
import * as Snapshots from "./snapshots.ts"

export interface OtherSnapshot extends OtherChange {
  readonly parentId: string
}

const countOf = (summary: Snapshots.Snapshot["summary"], ...names: ReadonlyArray<string>) =>
  names.reduce((sum, name) => sum + (Number(summary[name]) || 0), 0)

/**
 * Oldest first. The first snapshot of a table has no parent and is nobody's change; `replace` leaves the rows as they
 * are. A statement that rewrites files counts the rows that stay both as added and as deleted.
 */
export const among = (chain: ReadonlyArray<Snapshots.Snapshot>): ReadonlyArray<OtherSnapshot> =>
  chain.toReversed().flatMap(({ id, operation, parentId, summary }) => {
    if (parentId === null || operation === "replace" || isSinkCommit(summary)) return []
    const by = summary["engine-name"] ?? (summary.trino_query_id === undefined ? "another program" : "trino")
    const added = countOf(summary, "added-records")
    const deleted = countOf(summary, "deleted-records", "added-position-deletes", "added-equality-deletes")
    return added + deleted === 0 ? [] : [{ snapshotId: id, parentId, by, added, deleted }]
  })

export const find = Effect.fn("OtherWriters.find")((table: string) =>
  Effect.map(Snapshots.read(table), (snapshots) => among(Snapshots.currentChain(snapshots)))
)
