import { relative } from "node:path"
import { Effect, Layer, Option, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import { type DataFile, TableReader, type TableSnapshot } from "../../../services/TableReader.ts"
import { typeText } from "../schema/fields.ts"
import { partitionText } from "../schema/partitionKey.ts"
import * as LogProgress from "./logProgress.ts"
import * as Manifest from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import { readMetadata } from "./MetadataFiles.ts"
import { type LiveEntry, readList, readLive } from "./readManifests.ts"
import { metadataOf, withLeasedSnapshot } from "./SnapshotLease.ts"

const idOf = (id: bigint | null | undefined) => (id === null || id === undefined ? null : String(id))

/** Null if unknown: `total-records` includes deleted rows, and equality deletes do not record how many rows they delete. */
const rowsOf = (snapshot: Metadata.Snapshot) => {
  const records = Metadata.countOf(snapshot, "total-records")
  if (records === undefined || (Metadata.countOf(snapshot, "total-equality-deletes") ?? 0) > 0) return null
  return records - (Metadata.countOf(snapshot, "total-position-deletes") ?? 0)
}

const toSnapshot = (snapshot: Metadata.Snapshot, progress = Metadata.progressOf(snapshot)): TableSnapshot => {
  const count = (key: string) => Metadata.countOf(snapshot, key) ?? null
  const difference = (key: string) => (snapshot.summary === undefined ? null : (Metadata.countOf(snapshot, key) ?? 0))
  return {
    id: String(snapshot["snapshot-id"]),
    parentId: idOf(snapshot["parent-snapshot-id"]),
    committedAt: snapshot["timestamp-ms"],
    operation: Metadata.operationOf(snapshot),
    rowsAdded: difference("added-records"),
    rowsRemoved: difference("deleted-records"),
    filesAdded: difference("added-data-files"),
    filesRemoved: difference("deleted-data-files"),
    rows: rowsOf(snapshot),
    files: count("total-data-files"),
    bytes: count("total-files-size"),
    log:
      progress === undefined ? null : { logId: progress.logId, positions: [{ partition: 0, offset: progress.offset }] }
  }
}

const fieldsOf = (metadata: Metadata.TableMetadata) =>
  metadata.schemas.find((one) => one["schema-id"] === metadata["current-schema-id"])?.fields ?? []

const partitioningOf = (metadata: Metadata.TableMetadata) => {
  const names = new Map(fieldsOf(metadata).map(({ id, name }) => [id, name]))
  const spec = metadata["partition-specs"].find((one) => one["spec-id"] === metadata["default-spec-id"])
  return (spec?.fields ?? []).map(({ transform, "source-id": source }) => {
    const column = names.get(source) ?? String(source)
    const [, name, width] = /^(\w+)\[(\d+)\]$/.exec(transform) ?? []
    if (name !== undefined) return `${name}(${width}, ${column})`
    return transform === "identity" ? column : `${transform}(${column})`
  })
}

const partitionOf = (metadata: Metadata.TableMetadata, { entry, manifest }: LiveEntry) => {
  const spec = metadata["partition-specs"].find((one) => one["spec-id"] === manifest.partition_spec_id)
  return Object.entries(entry.data_file.partition)
    .map(([name, value], i) => `${name}=${partitionText(spec?.fields[i]?.transform ?? "identity", value)}`)
    .join("/")
}

const toFile = (tableFolder: string, metadata: Metadata.TableMetadata, live: LiveEntry): DataFile => ({
  path: relative(tableFolder, live.path),
  partition: partitionOf(metadata, live),
  rows: live.entry.data_file.record_count,
  bytes: live.entry.data_file.file_size_in_bytes
})

/** Reads the table of this name in the warehouse. */
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
          columns: fieldsOf(metadata).map(({ name, required, type }) => ({
            name,
            type: typeText(type),
            required
          })),
          partitioning: partitioningOf(metadata),
          properties: metadata.properties
        })).pipe(Effect.withSpan("TableReader.describe")),
        current: readMetadata(tableFolder).pipe(
          Effect.map(
            Option.map(({ metadata, snapshot }) =>
              toSnapshot(snapshot, Option.getOrUndefined(LogProgress.at(metadata, snapshot)))
            )
          ),
          Effect.withSpan("TableReader.current")
        ),
        snapshots: Effect.map(metadata, ({ snapshots }) => snapshots.toReversed().map((one) => toSnapshot(one))).pipe(
          Effect.withSpan("TableReader.snapshots")
        ),
        history: Effect.map(metadata, (metadata) => {
          const parents = new Map(metadata.snapshots.map((one) => [one["snapshot-id"], one["parent-snapshot-id"]]))
          const ancestors = new Set(
            Metadata.ancestorsOf(metadata, metadata["current-snapshot-id"]).map((one) => one["snapshot-id"])
          )
          return metadata["snapshot-log"].toReversed().map((entry) => ({
            madeCurrentAt: entry["timestamp-ms"],
            snapshotId: String(entry["snapshot-id"]),
            parentId: idOf(parents.get(entry["snapshot-id"])),
            isCurrentAncestor: ancestors.has(entry["snapshot-id"])
          }))
        }).pipe(Effect.withSpan("TableReader.history")),
        files: (asOf) =>
          Effect.gen(function* () {
            const { metadata, snapshot } = yield* withLeasedSnapshot(tableFolder, asOf)
            const { location } = metadata
            const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"])
            return Stream.fromIterable(manifests).pipe(
              Stream.mapEffect((manifest) => readLive(tableFolder, location, manifest)),
              Stream.flattenIterable,
              Stream.filter(({ entry }) => entry.data_file.content === Manifest.content.data),
              Stream.map((live) => toFile(tableFolder, metadata, live))
            )
          }).pipe(Effect.provideService(Leases, leases), Stream.unwrap)
      })
    })
  )
