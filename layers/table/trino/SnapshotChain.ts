/** The snapshots of a table with what the sink left in them, and how Trino is told to expire some. */
import { Effect, Option, Schema } from "effect"
import { sinkConnector } from "../../../services/Connector.ts"
import type { Query } from "../../../services/Query.ts"
import type { SinkCommit } from "../../../services/SinkCommits.ts"
import { control } from "../../../services/Topics.ts"
import { expireBefore, expiring, type Limits } from "./retention.ts"
import * as Rows from "./rows.ts"
import * as Snapshots from "./snapshots.ts"

const offsets = "kafka.connect.offsets."
/** What the sink looks for. */
const ofTheSink = `${offsets}${control}.connect-${sinkConnector}`

const holdsOffsets = ({ summary }: Snapshots.Snapshot) =>
  Object.keys(summary).some((property) => property.startsWith(offsets))

/** A branch or tag, and whether the table says how old its snapshots may become. */
const RefRow = Schema.Tuple([Schema.String, Schema.Boolean])

export interface Expiry {
  /** What was committed before this time may expire, and none else. */
  readonly before: number
  readonly expiring: ReadonlyArray<Snapshots.Snapshot>
  /** All those expire that the current one does not descend from, and there are some: the table was replaced. */
  readonly replaced: boolean
  /** All that there are. */
  readonly snapshots: ReadonlyArray<Snapshots.Snapshot>
  /** The newest commit of the sink. */
  readonly sink: Option.Option<SinkCommit>
  /** Why nothing expires although some could: a sentence. */
  readonly held: Option.Option<string>
}

const longAgo = 0

export const expiryOf = Effect.fn("SnapshotChain.expiryOf")(function* (
  query: Query["Service"],
  table: string,
  limits: Omit<Limits, "needed">
) {
  const refs = yield* Rows.all(
    query,
    { table, operation: "reading its branches", row: RefRow },
    `SELECT name, max_snapshot_age_in_ms IS NOT NULL OR max_reference_age_in_ms IS NOT NULL FROM ${Rows.about(table, "refs")}`
  )
  const snapshots = yield* Snapshots.read(query, table)
  const line = Snapshots.currentLine(snapshots)
  const sink = Snapshots.lastSinkCommit(line)
  // Trino expires by what the table itself says of them, whatever time it is given.
  const others = refs.filter(([name, hasAge]) => name !== "main" || hasAge).map(([name]) => name)
  if (others.length > 0) {
    const held = `Snapshots are left alone, as the table has branches, tags or ages of its own (${others.join(", ")}): expire them with the tool that made these.`
    return { before: longAgo, expiring: [], replaced: false, snapshots, sink, held: Option.some(held) } satisfies Expiry
  }
  const found = line.findIndex(({ summary }) => ofTheSink in summary)
  // A table that was rebuilt may have another sink's offsets alone.
  const withOffsets = found === -1 ? line.findIndex(holdsOffsets) : found
  const before = expireBefore(line, { ...limits, needed: withOffsets + 1 })
  const expired = expiring(snapshots, line, before)
  const inLine = new Set(line)
  const outside = (some: ReadonlyArray<Snapshots.Snapshot>) => some.filter((snapshot) => !inLine.has(snapshot)).length
  const replaced = outside(snapshots) > 0 && outside(expired) === outside(snapshots)
  return { before, expiring: expired, replaced, snapshots, sink, held: Option.none() } satisfies Expiry
})

const sum = (snapshots: ReadonlyArray<Snapshots.Snapshot>, property: string) =>
  snapshots.reduce((sum, { summary }) => sum + Number(summary[property] ?? 0), 0)

/** What was merged by the snapshots that `later` has and `earlier` has not. */
export const mergedSince = (earlier: Expiry, later: Expiry) => {
  const known = new Set(earlier.snapshots.map(({ id }) => id))
  const merges = later.snapshots.filter(({ id, operation }) => operation === "replace" && !known.has(id))
  return { files: sum(merges, "deleted-data-files"), into: sum(merges, "added-data-files") }
}

/** How many of the snapshots of `earlier` are gone in `later`. */
export const expiredSince = (earlier: Expiry, later: Expiry) => {
  const left = new Set(later.snapshots.map(({ id }) => id))
  return earlier.snapshots.filter(({ id }) => !left.has(id)).length
}

/** An absolute time, and not an age: the statement begins some time after the snapshots were read. */
export const expire = (table: string, before: number) => {
  const age = `to_milliseconds(current_timestamp - TIMESTAMP ${Rows.literal(new Date(before).toISOString().replace("T", " ").replace("Z", " UTC"))})`
  return `ALTER TABLE iceberg.default.${table} EXECUTE expire_snapshots(retention_threshold => CAST(${age} AS varchar) || 'ms')`
}
