/** Reads the snapshots of a table, and the sink's commits in them. */
import { Effect, Option, Schema, SchemaGetter } from "effect"
import type { SinkCommit } from "../../../services/SinkCommits.ts"
import { snapshotChain } from "./retention.ts"
import * as Rows from "./rows.ts"
import { commitOf } from "./sinkCommit.ts"

const Summary = Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.String })).pipe(
  Schema.decodeTo(Schema.Record(Schema.String, Schema.String), {
    decode: SchemaGetter.transform((entries) => Object.fromEntries(entries.map(({ key, value }) => [key, value]))),
    encode: SchemaGetter.transform((summary) => Object.entries(summary).map(([key, value]) => ({ key, value })))
  })
)
type Summary = typeof Summary.Type

export interface Snapshot {
  readonly id: string
  readonly parentId: string | null
  /** Milliseconds since 1970. */
  readonly committedAt: number
  /** append, replace, overwrite or delete. */
  readonly operation: string
  readonly summary: Summary
  readonly isCurrent: boolean
}

const Row = Schema.Tuple([
  Schema.String,
  Schema.NullOr(Schema.String),
  Rows.Whole,
  Schema.String,
  Summary,
  Schema.Boolean
])

/** The current snapshot first, then newest first; at most `limit`. */
export const read = Effect.fn("Snapshots.read")(function* (table: string, limit?: number) {
  const rows = yield* Rows.all(
    { table, operation: "reading its snapshots", row: Row },
    `SELECT snapshot_id, parent_id, ${Rows.millisOf("committed_at")}, operation, summary,
  coalesce(snapshot_id = (SELECT snapshot_id FROM ${Rows.metadataTable(table, "refs")} WHERE name = 'main'), false) AS is_current
FROM ${Rows.metadataTable(table, "snapshots")}
ORDER BY is_current DESC, committed_at DESC${limit === undefined ? "" : ` LIMIT ${limit}`}`
  )
  return rows.map(
    ([id, parentId, committedAt, operation, summary, isCurrent]): Snapshot => ({
      id,
      parentId,
      committedAt,
      operation,
      summary,
      isCurrent
    })
  )
})

/** From the current snapshot back, as far as its parents are kept. */
export const currentChain = (snapshots: ReadonlyArray<Snapshot>) =>
  snapshotChain(snapshots, snapshots.find(({ isCurrent }) => isCurrent)?.id)

/** The newest commit of the sink in a chain, even if other writers committed after it. */
export const lastSinkCommit = (chain: ReadonlyArray<Snapshot>): Option.Option<SinkCommit> =>
  Option.firstSomeOf(chain.values().map(({ summary }) => commitOf(summary)))

/**
 * The sink's last commit in each snapshot, by snapshot id. A `replace` snapshot has the rows of its parent, and so its
 * commit. After another writer adds or removes rows the commit is unknown, until the sink commits again.
 */
export const sinkCommits = (snapshots: ReadonlyArray<Snapshot>): ReadonlyMap<string, SinkCommit> => {
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  const commits = new Map<string, SinkCommit>()
  for (const snapshot of snapshots) {
    let origin: Snapshot | undefined = snapshot
    let commit = commitOf(origin.summary)
    while (Option.isNone(commit) && origin?.operation === "replace") {
      origin = origin.parentId === null ? undefined : byId.get(origin.parentId)
      if (origin !== undefined) commit = commitOf(origin.summary)
    }
    if (Option.isSome(commit)) commits.set(snapshot.id, commit.value)
  }
  return commits
}
