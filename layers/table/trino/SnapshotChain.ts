/** Decides how far back Trino may expire the snapshots of a table, and builds the statement for it. */
import { Effect, Option, Schema } from "effect"
import type { SinkCommit } from "../../../services/SinkCommits.ts"
import { controlTopicOf, sinkGroupOf } from "../../../services/Topics.ts"
import { expireBefore, expiring, type Limits } from "./retention.ts"
import * as Rows from "./rows.ts"
import * as Snapshots from "./snapshots.ts"
import { nameOf } from "./streamTable.ts"

const offsets = "kafka.connect.offsets."
const sinkOffsetsOf = (stream: string) => `${offsets}${controlTopicOf(stream)}.${sinkGroupOf(stream)}`

const holdsOffsets = ({ summary }: Snapshots.Snapshot) =>
  Object.keys(summary).some((property) => property.startsWith(offsets))

const RefRow = Schema.Tuple([Schema.String, Schema.Boolean])

export interface Expiry {
  /** Only snapshots committed before this time may expire. Milliseconds since 1970. */
  readonly before: number
  readonly expiring: ReadonlyArray<Snapshots.Snapshot>
  /** The table was replaced, and all snapshots outside the current chain expire. */
  readonly replaced: boolean
  /** All snapshots of the table. */
  readonly snapshots: ReadonlyArray<Snapshots.Snapshot>
  /** The sink's newest commit. */
  readonly sink: Option.Option<SinkCommit>
  /** Why nothing expires although something could: a sentence. */
  readonly held: Option.Option<string>
}

const longAgo = 0

/** Of the table of a stream. */
export const expiryOf = Effect.fn("SnapshotChain.expiryOf")(function* (table: string, limits: Omit<Limits, "needed">) {
  const refs = yield* Rows.all(
    { table, operation: "reading its branches", row: RefRow },
    `SELECT name, max_snapshot_age_in_ms IS NOT NULL OR max_reference_age_in_ms IS NOT NULL FROM ${Rows.metadataTable(table, "refs")}`
  )
  const snapshots = yield* Snapshots.read(table)
  const chain = Snapshots.currentChain(snapshots)
  const sink = Snapshots.lastSinkCommit(chain)
  // An age that the table itself sets overrides the time given to Trino.
  const others = refs.filter(([name, hasAge]) => name !== "main" || hasAge).map(([name]) => name)
  if (others.length > 0) {
    const held = `Snapshots are kept, because the table has branches, tags or snapshot ages of its own (${others.join(", ")}): expire them with the tool that created these.`
    return { before: longAgo, expiring: [], replaced: false, snapshots, sink, held: Option.some(held) } satisfies Expiry
  }
  const sinkOffsets = sinkOffsetsOf(table)
  const own = chain.findIndex(({ summary }) => sinkOffsets in summary)
  // A rebuilt table may hold only the offsets of the rebuild's connector.
  const withOffsets = own === -1 ? chain.findIndex(holdsOffsets) : own
  const before = expireBefore(chain, { ...limits, needed: withOffsets + 1 })
  const expired = expiring(snapshots, chain, before)
  const inChain = new Set(chain)
  const outside = (some: ReadonlyArray<Snapshots.Snapshot>) => some.filter((snapshot) => !inChain.has(snapshot)).length
  const replaced = outside(snapshots) > 0 && outside(expired) === outside(snapshots)
  return { before, expiring: expired, replaced, snapshots, sink, held: Option.none() } satisfies Expiry
})

const sum = (snapshots: ReadonlyArray<Snapshots.Snapshot>, property: string) =>
  snapshots.reduce((sum, { summary }) => sum + Number(summary[property] ?? 0), 0)

/** Files merged by the snapshots that only `later` has. */
export const mergedSince = (earlier: Expiry, later: Expiry) => {
  const known = new Set(earlier.snapshots.map(({ id }) => id))
  const merges = later.snapshots.filter(({ id, operation }) => operation === "replace" && !known.has(id))
  return { files: sum(merges, "deleted-data-files"), into: sum(merges, "added-data-files") }
}

/** How many snapshots of `earlier` are gone in `later`. */
export const expiredSince = (earlier: Expiry, later: Expiry) => {
  const left = new Set(later.snapshots.map(({ id }) => id))
  return earlier.snapshots.filter(({ id }) => !left.has(id)).length
}

/** Takes an absolute time, because the statement starts some time after the snapshots were read. */
export const expire = (table: string, before: number) => {
  const age = `to_milliseconds(current_timestamp - TIMESTAMP ${Rows.literal(new Date(before).toISOString().replace("T", " ").replace("Z", " UTC"))})`
  return `ALTER TABLE ${nameOf(table)} EXECUTE expire_snapshots(retention_threshold => CAST(${age} AS varchar) || 'ms')`
}
