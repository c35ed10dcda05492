/** How metadata go from one snapshot to the next. Pure. */
import { join } from "node:path"
import type { Progress } from "../../services/Table.ts"
import type { DataFile } from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"

export interface Change {
  readonly operation: Metadata.Summary["operation"]
  readonly added: ReadonlyArray<DataFile>
  readonly removed: ReadonlyArray<DataFile>
  readonly progress: Progress
}

export interface NextSnapshot {
  readonly id: number
  readonly manifestList: string
  /** Milliseconds since 1970. */
  readonly now: number
}

const rowsOf = (files: ReadonlyArray<DataFile>) => files.reduce((sum, file) => sum + file.record_count, 0)
const bytesOf = (files: ReadonlyArray<DataFile>) => files.reduce((sum, file) => sum + file.file_size_in_bytes, 0)

const summaryOf = (before: Metadata.Summary | undefined, change: Change): Metadata.Summary => {
  const { added, removed, progress } = change
  return {
    operation: change.operation,
    "added-data-files": added.length,
    "added-records": rowsOf(added),
    "added-files-size": bytesOf(added),
    ...(removed.length > 0 && {
      "deleted-data-files": removed.length,
      "deleted-records": rowsOf(removed),
      "removed-files-size": bytesOf(removed)
    }),
    "changed-partition-count": new Set([...added, ...removed].map((file) => file.partition.ts)).size,
    "total-records": (before?.["total-records"] ?? 0) + rowsOf(added) - rowsOf(removed),
    "total-files-size": (before?.["total-files-size"] ?? 0) + bytesOf(added) - bytesOf(removed),
    "total-data-files": (before?.["total-data-files"] ?? 0) + added.length - removed.length,
    "total-delete-files": 0,
    "total-position-deletes": 0,
    "total-equality-deletes": 0,
    "floe.log.id": progress.logId,
    "floe.log.offset": progress.offset,
    ...(progress.lastEvent !== undefined && { "floe.log.last": progress.lastEvent })
  }
}

/** The metadata log behind a new version: the version before it is its last entry. */
const metadataLog = (before: Metadata.TableMetadata, version: number, keep: number) =>
  [
    ...before["metadata-log"],
    {
      "timestamp-ms": before["last-updated-ms"],
      "metadata-file": join(before.location, "metadata", Metadata.fileName(version))
    }
  ].slice(-keep)

/** Metadata that keep the newest `keep` snapshots only. */
const withNewest = (metadata: Metadata.TableMetadata, keep: number): Metadata.TableMetadata => {
  if (metadata.snapshots.length <= keep) return metadata
  const snapshots = metadata.snapshots.slice(-keep)
  const ids = new Set(snapshots.map((snapshot) => snapshot["snapshot-id"]))
  return {
    ...metadata,
    snapshots,
    "snapshot-log": metadata["snapshot-log"].filter((entry) => ids.has(entry["snapshot-id"]))
  }
}

export const firstMetadata = (
  uuid: string,
  location: string
): Omit<Metadata.TableMetadata, "refs" | "current-snapshot-id"> => ({
  ...Metadata.fixedParts,
  "table-uuid": uuid,
  location,
  "last-sequence-number": 0,
  "last-updated-ms": 0,
  snapshots: [],
  "snapshot-log": [],
  "metadata-log": []
})

/** The metadata of `version + 1`, with one snapshot more and at most `keep` of them. */
export const withSnapshot = (
  before: Metadata.TableMetadata | ReturnType<typeof firstMetadata>,
  version: number,
  change: Change,
  next: NextSnapshot,
  keep: number
): Metadata.TableMetadata => {
  const parent = "current-snapshot-id" in before ? Metadata.currentSnapshot(before) : undefined
  // Readers refuse snapshots that are out of order, and a clock may step back.
  const now = Math.max(next.now, before["last-updated-ms"])
  const sequenceNumber = before["last-sequence-number"] + 1
  const snapshot: Metadata.Snapshot = {
    "snapshot-id": next.id,
    ...(parent !== undefined && { "parent-snapshot-id": parent["snapshot-id"] }),
    "sequence-number": sequenceNumber,
    "timestamp-ms": now,
    "manifest-list": next.manifestList,
    summary: summaryOf(parent?.summary, change),
    "schema-id": Metadata.tableSchema["schema-id"]
  }
  return withNewest(
    {
      ...before,
      "last-sequence-number": sequenceNumber,
      "last-updated-ms": now,
      "current-snapshot-id": next.id,
      refs: { main: { "snapshot-id": next.id, type: "branch" } },
      snapshots: [...before.snapshots, snapshot],
      "snapshot-log": [...before["snapshot-log"], { "timestamp-ms": now, "snapshot-id": next.id }],
      "metadata-log": "refs" in before ? metadataLog(before, version, keep) : []
    },
    keep
  )
}

/** The metadata of `version + 1` without the snapshots beyond `keep`. */
export const withoutOld = (
  before: Metadata.TableMetadata,
  version: number,
  now: number,
  keep: number
): Metadata.TableMetadata =>
  withNewest(
    {
      ...before,
      "last-updated-ms": Math.max(now, before["last-updated-ms"]),
      "metadata-log": metadataLog(before, version, keep)
    },
    keep
  )
