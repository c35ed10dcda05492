/** The snapshots that a table keeps, as Trino shows them, and what the sink has written into them. */
import { Effect, Option, Schema, SchemaGetter } from "effect"
import type { Query } from "../../../services/Query.ts"
import type { SinkCommit } from "../../../services/SinkCommits.ts"
import { lineage } from "./retention.ts"
import * as Rows from "./rows.ts"
import { commitOf } from "./sinkCommit.ts"

/** A map, as it comes from the engine. */
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

/** Those that are kept: the current one, and then newest first; `most` limits their number. */
export const read = Effect.fn("Snapshots.read")(function* (query: Query["Service"], table: string, most?: number) {
  const found = yield* Rows.all(
    query,
    { table, operation: "reading its snapshots", row: Row },
    `SELECT snapshot_id, parent_id, ${Rows.millisOf("committed_at")}, operation, summary,
  coalesce(snapshot_id = (SELECT snapshot_id FROM ${Rows.about(table, "refs")} WHERE name = 'main'), false) AS is_current
FROM ${Rows.about(table, "snapshots")}
ORDER BY is_current DESC, committed_at DESC${most === undefined ? "" : ` LIMIT ${most}`}`
  )
  return found.map(
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

/** From the current one back, as far as its parents are kept. */
export const currentLine = (snapshots: ReadonlyArray<Snapshot>) =>
  lineage(snapshots, snapshots.find(({ isCurrent }) => isCurrent)?.id)

/** The newest commit of the sink in a line, whatever other writers did after it. */
export const lastSinkCommit = (line: ReadonlyArray<Snapshot>): Option.Option<SinkCommit> =>
  Option.firstSomeOf(line.values().map(({ summary }) => commitOf(summary)))

/**
 * By a snapshot's id, the sink's last commit in it. A snapshot of the operation `replace` has the rows of its parent, and
 * so its commit; behind one of another writer that adds or removes rows nobody can tell, until the sink commits again.
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
