/** The table metadata after a new snapshot, or after the expiry of old ones. Pure. */
import { join } from "node:path"
import { Option } from "effect"
import type { Progress } from "../../../services/TableWriter.ts"
import { type TableSpec, weather } from "../schema/TableSpec.ts"
import * as LogProgress from "./logProgress.ts"
import type { ContentFile } from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import { newestBehind, othersBehind } from "./otherSnapshots.ts"
import { retained, type SnapshotRetention } from "./snapshotRetention.ts"

export interface Change {
  readonly operation: "append" | "replace" | "overwrite"
  readonly added: ReadonlyArray<ContentFile>
  /** Data files only; `overwrite` also removes all delete files of the table. */
  readonly removed: ReadonlyArray<ContentFile>
  readonly progress: Progress
}

export interface NextSnapshot {
  readonly id: bigint
  readonly manifestList: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** JSON has no bigint. */
const keyOfAny = (partition: ContentFile["partition"]) =>
  JSON.stringify(partition, (_, value) => (typeof value === "bigint" ? String(value) : value))

const rowsOf = (files: ReadonlyArray<ContentFile>) => files.reduce((sum, file) => sum + file.record_count, 0)
const bytesOf = (files: ReadonlyArray<ContentFile>) => files.reduce((sum, file) => sum + file.file_size_in_bytes, 0)

const deletes = ["total-delete-files", "total-position-deletes", "total-equality-deletes"]

/** Totals continue from the parent's; a total that the parent lacks is left out. */
const summaryOf = (before: Metadata.TableMetadata, change: Change): Metadata.Summary => {
  const parent = Metadata.currentSnapshot(before)
  const { added, operation, progress, removed } = change
  const total = (key: string, difference: number) => {
    const count = parent === undefined ? 0 : Metadata.countOf(parent, key)
    return count === undefined ? {} : { [key]: String(count + difference) }
  }
  const gone = (key: string) =>
    operation === "overwrite" && parent !== undefined ? -(Metadata.countOf(parent, key) ?? 0) : 0
  return {
    operation,
    "added-data-files": String(added.length),
    "added-records": String(rowsOf(added)),
    "added-files-size": String(bytesOf(added)),
    ...(removed.length > 0 && {
      "deleted-data-files": String(removed.length),
      "deleted-records": String(rowsOf(removed)),
      "removed-files-size": String(bytesOf(removed))
    }),
    "changed-partition-count": String(new Set([...added, ...removed].map((file) => keyOfAny(file.partition))).size),
    ...total("total-records", rowsOf(added) - rowsOf(removed)),
    ...total("total-files-size", bytesOf(added) - bytesOf(removed)),
    ...total("total-data-files", added.length - removed.length),
    ...Object.assign({}, ...deletes.map((key) => total(key, gone(key)))),
    "floe.log.id": progress.logId,
    "floe.log.offset": String(progress.offset),
    ...newestBehind(before, parent),
    ...(progress.lastEvent !== undefined && { "floe.log.last": progress.lastEvent })
  }
}

export interface Retention extends SnapshotRetention {
  /** How many metadata files before the current one are kept. */
  readonly metadataFiles: number
}

const metadataLog = (before: Metadata.TableMetadata, file: string, keep: number) => {
  const entry = { "timestamp-ms": before["last-updated-ms"], "metadata-file": join(before.location, "metadata", file) }
  const log = [...before["metadata-log"], entry]
  return log.slice(Math.max(0, log.length - keep))
}

/** At most this many snapshots are kept for their record of other writers' changes. */
const maxOfOthers = 100

/**
 * The snapshots that must be kept whatever their age: those of branches and tags, the ancestors of the current one up to
 * the newest with progress, and, within the time travel period, those that record which rows other writers changed.
 */
const needed = (metadata: Metadata.TableMetadata, now: number, { timeTravel }: Retention): ReadonlySet<bigint> => {
  const current = Metadata.currentSnapshot(metadata)
  if (current === undefined) return new Set()
  const ancestors = Metadata.ancestorsOf(metadata, current["snapshot-id"])
  const ofOthers = othersBehind(metadata, current).needed.slice(0, maxOfOthers)
  const recent = ofOthers.filter((one) => now - one["timestamp-ms"] < timeTravel)
  const ids = [current, ...recent].map((one) => one["snapshot-id"])
  ids.push(...ancestors.slice(0, ancestors.findIndex(Metadata.progressOf) + 1).map((one) => one["snapshot-id"]))
  for (const ref of Object.values(metadata.refs)) ids.push(ref["snapshot-id"])
  return new Set(ids)
}

const expire = (metadata: Metadata.TableMetadata, now: number, retention: Retention): Metadata.TableMetadata => {
  if (metadata.snapshots.length <= retention.snapshots) return metadata
  const kept = retained(metadata.snapshots, now, retention)
  const required = needed(metadata, now, retention)
  const snapshots = metadata.snapshots.filter((one) => kept.has(one) || required.has(one["snapshot-id"]))
  if (snapshots.length === metadata.snapshots.length) return metadata
  const ids = new Set(snapshots.map((snapshot) => snapshot["snapshot-id"]))
  return {
    ...metadata,
    snapshots,
    "snapshot-log": metadata["snapshot-log"].filter((entry) => ids.has(entry["snapshot-id"]))
  }
}

export const firstMetadata = (uuid: string, location: string, spec: TableSpec = weather): Metadata.TableMetadata => ({
  ...Metadata.fixedParts(spec),
  "table-uuid": uuid,
  location,
  "last-sequence-number": 0,
  "last-updated-ms": 0,
  refs: {},
  snapshots: [],
  "snapshot-log": [],
  "metadata-log": []
})

/** A table before a change: its metadata and the name of their file, which is undefined before the first commit. */
export interface Before {
  readonly metadata: Metadata.TableMetadata
  readonly name: string | undefined
}

/** Changed metadata with the same snapshots, recorded as the version after `before`. */
export const withoutSnapshot = (
  changed: Metadata.TableMetadata,
  before: Metadata.TableMetadata,
  name: string,
  retention: Retention
): Metadata.TableMetadata => ({ ...changed, "metadata-log": metadataLog(before, name, retention.metadataFiles) })

/** The metadata with one more snapshot, without the snapshots that retention no longer keeps. */
export const withSnapshot = (
  { metadata: before, name }: Before,
  change: Change,
  next: NextSnapshot,
  retention: Retention
): Metadata.TableMetadata => {
  const parent = Metadata.currentSnapshot(before)
  // Readers reject snapshots that are out of order, and a clock may step back.
  const now = Math.max(next.now, before["last-updated-ms"])
  const sequenceNumber = before["last-sequence-number"] + 1
  const snapshot: Metadata.Snapshot = {
    "snapshot-id": next.id,
    ...(parent !== undefined && { "parent-snapshot-id": parent["snapshot-id"] }),
    "sequence-number": sequenceNumber,
    "timestamp-ms": now,
    "manifest-list": next.manifestList,
    summary: summaryOf(before, change),
    "schema-id": before["current-schema-id"]
  }
  return expire(
    {
      ...before,
      "last-sequence-number": sequenceNumber,
      "last-updated-ms": now,
      properties: { ...before.properties, ...LogProgress.propertiesOf(change.progress, next.id, sequenceNumber) },
      "current-snapshot-id": next.id,
      refs: { ...before.refs, main: { ...before.refs.main, "snapshot-id": next.id, type: "branch" } },
      snapshots: [...before.snapshots, snapshot],
      "snapshot-log": [...before["snapshot-log"], { "timestamp-ms": now, "snapshot-id": next.id }],
      "metadata-log": name === undefined ? [] : metadataLog(before, name, retention.metadataFiles)
    },
    now,
    retention
  )
}

/** The metadata without the snapshots that retention no longer keeps; none if there are no such snapshots. */
export const withoutOld = (
  before: Metadata.TableMetadata,
  name: string,
  now: number,
  retention: Retention
): Option.Option<Metadata.TableMetadata> => {
  const thinner = expire(before, now, retention)
  if (thinner === before) return Option.none()
  return Option.some({
    ...thinner,
    "last-updated-ms": Math.max(now, before["last-updated-ms"]),
    "metadata-log": metadataLog(before, name, retention.metadataFiles)
  })
}
