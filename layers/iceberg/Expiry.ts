/** Removing the files of snapshots that have left the metadata. History is a line, so each step back is small. */
import { Effect } from "effect"
import type { Leases } from "../../services/Leases.ts"
import { TableUnavailable } from "../../services/Table.ts"
import * as Files from "./Files.ts"
import { status } from "./Manifest.ts"
import { operationOf } from "./Metadata.ts"
import { pathOf } from "./Paths.ts"
import type { Expired, TableCommits } from "./TableCommits.ts"
import { readList, readManifest } from "./TableReader.ts"

/** About as many files are removed in one piece. */
export const pieceFiles = 256

/** Snapshots that running queries hold. Ask only after the metadata without a snapshot are committed: then nobody new can hold it. */
export const heldNow = (leases: Leases["Service"]) =>
  leases.held.pipe(
    Effect.mapError((cause) => new TableUnavailable({ operation: "expiring snapshots", reason: cause.message, cause }))
  )

/** The data files that a snapshot has and the next one has not: those that the next one marked as deleted. */
const replacedFiles = Effect.fnUntraced(function* (tableFolder: string, { next }: Expired) {
  if (operationOf(next) === "append") return []
  const manifests = yield* readList(tableFolder, tableFolder, next["manifest-list"])
  const own = manifests.filter(
    (manifest) => manifest.added_snapshot_id === next["snapshot-id"] && manifest.deleted_files_count > 0
  )
  const entries = yield* Effect.forEach(own, (manifest) => readManifest(tableFolder, tableFolder, manifest))
  return entries
    .flat()
    .filter((entry) => entry.status === status.deleted && entry.snapshot_id === next["snapshot-id"])
    .map((entry) => pathOf(entry.data_file.file_path))
})

const replacedManifests = Effect.fnUntraced(function* (tableFolder: string, { snapshot, next }: Expired) {
  const before = yield* readList(tableFolder, tableFolder, snapshot["manifest-list"])
  const after = yield* readList(tableFolder, tableFolder, next["manifest-list"])
  const stay = new Set(after.map((manifest) => manifest.manifest_path))
  return before
    .map((manifest) => manifest.manifest_path)
    .filter((path) => !stay.has(path))
    .map(pathOf)
})

const removeAll = Effect.fnUntraced(function* (paths: ReadonlyArray<string>) {
  const removed = yield* Effect.forEach(paths, Files.remove, { concurrency: 8 })
  return removed.filter(Boolean).length
})

/** Removes what only this snapshot needed, its manifest list last: it is what a next try starts from. */
const removeSnapshot = Effect.fnUntraced(function* (tableFolder: string, oldest: Expired) {
  const dataFiles = yield* removeAll(yield* replacedFiles(tableFolder, oldest))
  const manifests = yield* removeAll(yield* replacedManifests(tableFolder, oldest))
  return dataFiles + manifests + (yield* removeAll([pathOf(oldest.snapshot["manifest-list"])]))
})

/** One piece of it. A snapshot on which a lease is held stops it: what goes in later steps may be files of that one. */
export const expire = Effect.fn("Expiry.expire")(function* (
  tableFolder: string,
  commits: TableCommits,
  leases: Leases["Service"]
) {
  const oldMetadata = commits.oldMetadata.slice(0, pieceFiles)
  let filesRemoved = yield* removeAll(oldMetadata)
  commits.oldMetadata.splice(0, oldMetadata.length)
  let snapshotsExpired = 0
  const known = commits.expired.length
  if (known === 0) return { snapshotsExpired, filesRemoved }
  const held = yield* heldNow(leases)
  while (snapshotsExpired < known && filesRemoved < pieceFiles) {
    const oldest = commits.expired[0]
    if (oldest === undefined || held.has(String(oldest.snapshot["snapshot-id"]))) break
    filesRemoved += yield* removeSnapshot(tableFolder, oldest)
    commits.expired.shift()
    snapshotsExpired++
  }
  return { snapshotsExpired, filesRemoved }
}, Effect.uninterruptible)
