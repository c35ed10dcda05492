import { relative } from "node:path"
import { Effect, Layer, Option, Stream } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { Leases } from "../../services/Leases.ts"
import { type DataFile, TableReader, type TableSnapshot } from "../../services/TableReader.ts"
import { leased, metadataOf } from "./Leased.ts"
import type * as Manifest from "./Manifest.ts"
import { type ManifestFile, status } from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import { located, readList, readManifest, readMetadata } from "./TableReader.ts"

const idOf = (id: number | undefined) => (id === undefined ? null : String(id))

const toSnapshot = (snapshot: Metadata.Snapshot): TableSnapshot => {
  const { summary } = snapshot
  const { logId, offset } = Metadata.progressOf(snapshot)
  return {
    id: String(snapshot["snapshot-id"]),
    parentId: idOf(snapshot["parent-snapshot-id"]),
    committedAt: snapshot["timestamp-ms"],
    operation: summary.operation,
    rowsAdded: summary["added-records"] ?? 0,
    rowsRemoved: summary["deleted-records"] ?? 0,
    filesAdded: summary["added-data-files"] ?? 0,
    filesRemoved: summary["deleted-data-files"] ?? 0,
    rows: summary["total-records"],
    files: summary["total-data-files"],
    bytes: summary["total-files-size"],
    log: { logId, positions: [{ partition: 0, offset }] }
  }
}

/** The snapshots from which the current one has come. */
const ancestors = (metadata: Metadata.TableMetadata) => {
  const parents = new Map(metadata.snapshots.map((one) => [one["snapshot-id"], one["parent-snapshot-id"]]))
  const found = new Set<number>()
  for (let id: number | undefined = metadata["current-snapshot-id"]; id !== undefined; id = parents.get(id))
    found.add(id)
  return { parents, found }
}

const fieldsOf = (metadata: Metadata.TableMetadata) =>
  metadata.schemas.find((one) => one["schema-id"] === metadata["current-schema-id"])?.fields ?? []

const partitioningOf = (metadata: Metadata.TableMetadata) => {
  const names = new Map(fieldsOf(metadata).map(({ id, name }) => [id, name]))
  const spec = metadata["partition-specs"].find((one) => one["spec-id"] === metadata["default-spec-id"])
  return (spec?.fields ?? []).map(({ transform, "source-id": source }) => {
    const column = names.get(source) ?? String(source)
    return transform === "identity" ? column : `${transform}(${column})`
  })
}

const toFile = (tableFolder: string, location: string, file: Manifest.DataFile) =>
  Effect.map(
    located(tableFolder, location, file.file_path),
    (path): DataFile => ({
      path: relative(tableFolder, path),
      partition: `ts=${file.partition.ts}`,
      rows: file.record_count,
      bytes: file.file_size_in_bytes
    })
  )

/** The table of this name in the warehouse. */
export const at = (name: string) =>
  Layer.effect(
    TableReader,
    Effect.gen(function* () {
      const tableFolder = (yield* DataFolder).tableAt(name)
      const leases = yield* Leases
      const metadata = metadataOf(tableFolder)

      return TableReader.of({
        describe: Effect.map(metadata, (metadata) => ({
          name: `default.${name}`,
          location: tableFolder,
          formatVersion: metadata["format-version"],
          columns: fieldsOf(metadata).map(({ name, required, type }) => ({ name, type, required })),
          partitioning: partitioningOf(metadata),
          properties: metadata.properties
        })).pipe(Effect.withSpan("TableReader.describe")),
        current: readMetadata(tableFolder).pipe(
          Effect.map(Option.map(({ snapshot }) => toSnapshot(snapshot))),
          Effect.withSpan("TableReader.current")
        ),
        snapshots: Effect.map(metadata, ({ snapshots }) => snapshots.toReversed().map(toSnapshot)).pipe(
          Effect.withSpan("TableReader.snapshots")
        ),
        history: Effect.map(metadata, (metadata) => {
          const { parents, found } = ancestors(metadata)
          return metadata["snapshot-log"].toReversed().map((entry) => ({
            madeCurrentAt: entry["timestamp-ms"],
            snapshotId: String(entry["snapshot-id"]),
            parentId: idOf(parents.get(entry["snapshot-id"])),
            isCurrentAncestor: found.has(entry["snapshot-id"])
          }))
        }).pipe(Effect.withSpan("TableReader.history")),
        files: (asOf) =>
          Effect.gen(function* () {
            const { metadata, snapshot } = yield* leased(tableFolder, leases, asOf)
            const { location } = metadata
            const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"])
            const filesOf = Effect.fnUntraced(function* (manifest: ManifestFile) {
              const entries = yield* readManifest(tableFolder, location, manifest)
              const live = entries.filter((entry) => entry.status !== status.deleted)
              return yield* Effect.forEach(live, ({ data_file }) => toFile(tableFolder, location, data_file))
            })
            return Stream.fromIterable(manifests).pipe(Stream.mapEffect(filesOf), Stream.flattenIterable)
          }).pipe(Stream.unwrap)
      })
    })
  )
