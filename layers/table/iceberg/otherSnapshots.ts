/**
 * Snapshots of other writers among those that a snapshot has come from. Each of Floe's names the newest of them behind it,
 * so that they can be followed where the snapshots between have expired. Pure.
 */
import * as Metadata from "./Metadata.ts"

const key = "floe.others.newest"
const none = "none"

export interface Others {
  /** Snapshots that may have changed rows, newest first. */
  readonly snapshots: ReadonlyArray<Metadata.Snapshot>
  /** The oldest snapshot that is known, where those before it have expired and it is not known who made them. */
  readonly cutAt: Metadata.Snapshot | undefined
  /** What must be kept to tell all that, newest first: other writers' snapshots, and the ones that these came behind. */
  readonly needed: ReadonlyArray<Metadata.Snapshot>
}

/** Back to where Floe put all rows in place. */
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

/** For the summary of a snapshot of Floe's behind this one; nothing where it is not known. */
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
