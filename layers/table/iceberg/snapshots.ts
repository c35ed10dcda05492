/** How metadata go from one snapshot to the next. Pure. */
import { join } from "node:path"
import { Option } from "effect"
import type { Progress } from "../../../services/Table.ts"
import * as LogProgress from "./logProgress.ts"
import type { ContentFile } from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import { newestBehind, othersBehind } from "./otherSnapshots.ts"
import * as Thinning from "./thinning.ts"

export interface Change {
  readonly operation: "append" | "replace" | "overwrite"
  readonly added: ReadonlyArray<ContentFile>
  /** Data files only; with `overwrite` all delete files of the table go too. */
  readonly removed: ReadonlyArray<ContentFile>
  readonly progress: Progress
}

export interface NextSnapshot {
  readonly id: bigint
  readonly manifestList: string
  /** Milliseconds since 1970. */
  readonly now: number
}

const rowsOf = (files: ReadonlyArray<ContentFile>) => files.reduce((sum, file) => sum + file.record_count, 0)
const bytesOf = (files: ReadonlyArray<ContentFile>) => files.reduce((sum, file) => sum + file.file_size_in_bytes, 0)

const deletes = ["total-delete-files", "total-position-deletes", "total-equality-deletes"]

/** Totals go on from the parent's, and are left out where another engine left them out. */
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
    "changed-partition-count": String(
      new Set([...added, ...removed].map((file) => JSON.stringify(file.partition))).size
    ),
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

export interface Retention extends Thinning.Retention {
  /** So many metadata files before the current one stay. */
  readonly metadataFiles: number
}

/** The metadata log behind a new version: the version before it is its last entry. */
const metadataLog = (before: Metadata.TableMetadata, file: string, keep: number) => {
  const entry = { "timestamp-ms": before["last-updated-ms"], "metadata-file": join(before.location, "metadata", file) }
  const log = [...before["metadata-log"], entry]
  return log.slice(Math.max(0, log.length - keep))
}

/** So many snapshots at most stay because other writers have changed rows in them. */
const mostOfOthers = 100

/**
 * Those that must stay although there are newer ones: what a branch or a tag names, the way back from the current one to
 * the newest that tells how far the log is in, and for the time of time travel what tells which rows others have changed.
 */
const needed = (metadata: Metadata.TableMetadata, now: number, { timeTravel }: Retention): ReadonlySet<bigint> => {
  const current = Metadata.currentSnapshot(metadata)
  if (current === undefined) return new Set()
  const line = Metadata.ancestorsOf(metadata, current["snapshot-id"])
  const ofOthers = othersBehind(metadata, current).needed.slice(0, mostOfOthers)
  const recent = ofOthers.filter((one) => now - one["timestamp-ms"] < timeTravel)
  const ids = [current, ...recent].map((one) => one["snapshot-id"])
  ids.push(...line.slice(0, line.findIndex(Metadata.progressOf) + 1).map((one) => one["snapshot-id"]))
  for (const ref of Object.values(metadata.refs)) ids.push(ref["snapshot-id"])
  return new Set(ids)
}

/** Metadata that keep of the snapshots only those that are to be kept. */
const thin = (metadata: Metadata.TableMetadata, now: number, retention: Retention): Metadata.TableMetadata => {
  if (metadata.snapshots.length <= retention.snapshots) return metadata
  const kept = Thinning.thinned(metadata.snapshots, now, retention)
  const stay = needed(metadata, now, retention)
  const snapshots = metadata.snapshots.filter((one) => kept.has(one) || stay.has(one["snapshot-id"]))
  if (snapshots.length === metadata.snapshots.length) return metadata
  const ids = new Set(snapshots.map((snapshot) => snapshot["snapshot-id"]))
  return {
    ...metadata,
    snapshots,
    "snapshot-log": metadata["snapshot-log"].filter((entry) => ids.has(entry["snapshot-id"]))
  }
}

export const firstMetadata = (uuid: string, location: string): Metadata.TableMetadata => ({
  ...Metadata.fixedParts,
  "table-uuid": uuid,
  location,
  "last-sequence-number": 0,
  "last-updated-ms": 0,
  refs: {},
  snapshots: [],
  "snapshot-log": [],
  "metadata-log": []
})

/** Where a table is before a change: its metadata, and the name of their file; none before the first commit. */
export interface Before {
  readonly metadata: Metadata.TableMetadata
  readonly name: string | undefined
}

/** The metadata with one snapshot more, and without those that need not be kept. */
export const withSnapshot = (
  { metadata: before, name }: Before,
  change: Change,
  next: NextSnapshot,
  retention: Retention
): Metadata.TableMetadata => {
  const parent = Metadata.currentSnapshot(before)
  // Readers refuse snapshots that are out of order, and a clock may step back.
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
  return thin(
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

/** The metadata without the snapshots that need not be kept; none if there is no such snapshot. */
export const withoutOld = (
  before: Metadata.TableMetadata,
  name: string,
  now: number,
  retention: Retention
): Option.Option<Metadata.TableMetadata> => {
  const thinner = thin(before, now, retention)
  if (thinner === before) return Option.none()
  return Option.some({
    ...thinner,
    "last-updated-ms": Math.max(now, before["last-updated-ms"]),
    "metadata-log": metadataLog(before, name, retention.metadataFiles)
  })
}
