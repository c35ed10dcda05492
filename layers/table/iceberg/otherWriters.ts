/** What other programs have committed to a table, as far as its snapshots are kept. */
import { access } from "node:fs/promises"
import { Effect } from "effect"
import * as Files from "../../runtime/files.ts"
import * as Manifest from "./Manifest.ts"
import type * as Metadata from "./Metadata.ts"
import { located } from "./paths.ts"
import { type LiveEntry, readList, readManifest } from "./readManifests.ts"
import { mayTouch, scanOf, type TableScan } from "./TableScan.ts"

/** The program's own name. */
export const engineOf = ({ summary = {} }: Metadata.Snapshot) =>
  summary["engine-name"] ??
  ("spark.app.id" in summary ? "spark" : "trino_query_id" in summary ? "trino" : "another program")

/** The files that a snapshot has changed, before and after it. */
export interface ChangedFiles {
  readonly before: TableScan
  readonly after: TableScan
}

const { status, content } = Manifest

/** Reads only the snapshot's own manifests, which also name the files that it removed. */
export const changedFiles = Effect.fn("changedFiles")(function* (
  tableFolder: string,
  metadata: Metadata.TableMetadata,
  snapshot: Metadata.Snapshot
) {
  const { location } = metadata
  const id = snapshot["snapshot-id"]
  const read = Effect.fnUntraced(function* (manifests: ReadonlyArray<Manifest.ManifestFile>) {
    const all: Array<LiveEntry> = []
    for (const manifest of manifests) {
      for (const entry of yield* readManifest(tableFolder, location, manifest)) {
        all.push({ path: yield* located(tableFolder, location, entry.data_file.file_path), manifest, entry })
      }
    }
    return all
  })
  const isOwn = ({ entry }: LiveEntry) => entry.snapshot_id === id
  const isAdded = (one: LiveEntry) => one.entry.status === status.added && isOwn(one)
  const isRemoved = (one: LiveEntry) => one.entry.status === status.deleted && isOwn(one)
  const isAfter = ({ entry }: LiveEntry) => entry.status !== status.deleted
  const isBefore = (one: LiveEntry) => (isAfter(one) && !isAdded(one)) || isRemoved(one)

  const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"])
  const deletes = yield* read(manifests.filter((one) => one.content !== content.data))
  const changedDeletes = deletes.filter((one) => isAdded(one) || isRemoved(one))
  const ofData = manifests.filter((one) => one.content === content.data)
  const data = yield* read(changedDeletes.length > 0 ? ofData : ofData.filter((one) => one.added_snapshot_id === id))
  const isTouched = mayTouch(changedDeletes)
  const stays = (one: LiveEntry) => isAfter(one) && !isAdded(one) && isTouched(one)
  const scan = (files: (one: LiveEntry) => boolean, deleting: (one: LiveEntry) => boolean) =>
    scanOf({ metadata, snapshot }, [...data.filter((one) => files(one) || stays(one)), ...deletes.filter(deleting)])
  const changed: ChangedFiles = { before: yield* scan(isRemoved, isBefore), after: yield* scan(isAdded, isAfter) }
  return changed
})

/** Whether all of these files are on disk. */
export const exist = Effect.fnUntraced(function* ({ after, before }: ChangedFiles) {
  const scans = [before, after].flatMap(({ deletes, files, touched }) => [...files, ...touched, ...deletes])
  for (const path of new Set(scans.map((file) => file.path))) {
    const there = yield* Files.attempt("checking a file", () => access(path)).pipe(
      Effect.as(true),
      Effect.catchIf(Files.isMissing, () => Effect.succeed(false))
    )
    if (!there) return false
  }
  return true
})
