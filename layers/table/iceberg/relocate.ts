/** Rewrites the absolute paths in the files of a table whose folder was moved or copied, as one commit. */
import { join } from "node:path"
import { Clock, Effect } from "effect"
import { TableUnavailable } from "../../../services/TableWriter.ts"
import type { ParquetWriter } from "../parquet/ParquetWriter.ts"
import { commitMetadata, type Failpoint, type NewFile } from "./commitMetadata.ts"
import * as Manifest from "./Manifest.ts"
import type * as Metadata from "./Metadata.ts"
import { fileName } from "./Metadata.ts"
import type { CurrentMetadata } from "./MetadataFiles.ts"
import * as manifestCodec from "./manifestCodec.ts"
import { make as moveDeletes } from "./moveDeletes.ts"
import { located } from "./paths.ts"
import { readList, readWritten } from "./readManifests.ts"

/** The table with its real folder as its location; unchanged if the location is right already. */
export const relocate = Effect.fn("relocate")(function* (
  tableFolder: string,
  writer: string,
  opened: CurrentMetadata,
  parquet: ParquetWriter,
  failpoint: Failpoint | undefined
) {
  const { location } = opened.metadata
  if (location === tableFolder) return opened
  const metadataFolder = join(tableFolder, "metadata")
  const files: Array<NewFile> = []
  const deletes = moveDeletes(tableFolder, location, writer, parquet)
  const moved = new Map<string, Pick<Manifest.ManifestFile, "manifest_path" | "manifest_length">>()

  const moveManifest = Effect.fnUntraced(function* (manifest: Manifest.ManifestFile) {
    const known = moved.get(manifest.manifest_path)
    if (known !== undefined) return { ...manifest, ...known }
    const written = yield* readWritten(tableFolder, location, manifest)
    const entries = yield* Effect.forEach(written.entries, (entry) =>
      // A deleted entry's file may no longer be on disk.
      Effect.map(
        entry.status === Manifest.status.deleted
          ? Effect.map(located(tableFolder, location, entry.data_file.file_path), (file_path) => ({
              ...entry.data_file,
              file_path
            }))
          : deletes.move(entry.data_file),
        (data_file) => ({ ...entry, data_file })
      )
    )
    const bytes = manifestCodec.encodeEntries(entries, written.form)
    const manifest_path = join(metadataFolder, `${writer}-moved${moved.size}.avro`)
    files.push({ path: manifest_path, bytes })
    moved.set(manifest.manifest_path, { manifest_path, manifest_length: bytes.length })
    return { ...manifest, manifest_path, manifest_length: bytes.length }
  })

  const moveSnapshot = Effect.fnUntraced(function* (snapshot: Metadata.Snapshot) {
    const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"])
    const bytes = manifestCodec.encodeList(
      {
        id: snapshot["snapshot-id"],
        parent: snapshot["parent-snapshot-id"] ?? undefined,
        sequenceNumber: snapshot["sequence-number"] ?? 0
      },
      yield* Effect.forEach(manifests, moveManifest)
    )
    const path = join(metadataFolder, `snap-${snapshot["snapshot-id"]}-${writer}.avro`)
    files.push({ path, bytes })
    return { ...snapshot, "manifest-list": path }
  })

  const snapshots = yield* Effect.forEach(opened.metadata.snapshots, moveSnapshot).pipe(
    Effect.onError(() => deletes.remove)
  )
  const version = opened.highest + 1
  const metadata: Metadata.TableMetadata = {
    ...opened.metadata,
    location: tableFolder,
    "last-updated-ms": Math.max(yield* Clock.currentTimeMillis, opened.metadata["last-updated-ms"]),
    snapshots,
    "metadata-log": []
  }
  const dataFiles = deletes.written()
  const identity = yield* commitMetadata({ tableFolder, writer, version, metadata, files, dataFiles, failpoint }).pipe(
    Effect.catchTag("VersionTaken", (cause) =>
      Effect.fail(new TableUnavailable({ operation: "moving", reason: "another program has committed", cause }))
    ),
    Effect.onError(() => deletes.remove)
  )
  yield* Effect.logInfo(`The table was moved from ${location} to ${tableFolder}; its paths are rewritten`)
  const snapshot = snapshots.find((one) => one["snapshot-id"] === opened.snapshot["snapshot-id"]) ?? opened.snapshot
  return { ...opened, version, highest: version, name: fileName(version), identity, metadata, snapshot }
})
