/**
 * The snapshots of other writers among the ancestors of a snapshot. Each snapshot of Floe names the newest of them behind
 * it, so that they can be followed even if the snapshots in between have expired. Pure.
 */
import * as Metadata from "./Metadata.ts"

const key = "floe.others.newest"
const none = "none"

export interface Others {
  /** Snapshots that may have changed rows, newest first. */
  readonly snapshots: ReadonlyArray<Metadata.Snapshot>
  /** The oldest known snapshot, if the snapshots before it have expired and their writers are unknown. */
  readonly cutAt: Metadata.Snapshot | undefined
  /** What must be kept to know all this, newest first: other writers' snapshots and their parents. */
  readonly needed: ReadonlyArray<Metadata.Snapshot>
}

/** Follows the ancestors back to the first snapshot, or to one in which Floe replaced all rows. */
export const othersBehind = (metadata: Metadata.TableMetadata, snapshot: Metadata.Snapshot): Others => {
  const byId = new Map(metadata.snapshots.map((one) => [String(one["snapshot-id"]), one]))
  const snapshots: Array<Metadata.Snapshot> = []
  const needed = new Set<Metadata.Snapshot>()
  const seen = new Set<Metadata.Snapshot>()
  let cutAt: Metadata.Snapshot | undefined
  let one: Metadata.Snapshot | undefined = snapshot
  while (one !== undefined && !seen.has(one)) {
    seen.add(one)
    cutAt = one
    const operation = Metadata.operationOf(one)
    const parent = one["parent-snapshot-id"] ?? undefined
    const isFloes = Metadata.progressOf(one) !== undefined
    const newest = isFloes ? one.summary?.[key] : undefined
    const isFirst = parent === undefined || newest === none || (isFloes && operation === "overwrite")
    const before: Metadata.Snapshot | undefined = byId.get(newest ?? String(parent))
    if (!isFloes) {
      if (operation !== "replace") snapshots.push(one)
      needed.add(one)
      if (before !== undefined) needed.add(before)
    }
    if (isFirst) return { snapshots, cutAt: undefined, needed: [...needed] }
    one = before
  }
  return { snapshots, cutAt, needed: [...needed] }
}

/** The summary property for a snapshot of Floe whose parent this is; none if the other writers are unknown. */
export const newestBehind = (
  metadata: Metadata.TableMetadata,
  parent: Metadata.Snapshot | undefined
): Metadata.Summary => {
  if (parent === undefined) return { [key]: none }
  const { cutAt, snapshots } = othersBehind(metadata, parent)
  const newest = snapshots[0]?.["snapshot-id"]
  if (newest !== undefined) return { [key]: String(newest) }
  return cutAt === undefined ? { [key]: none } : {}
}
