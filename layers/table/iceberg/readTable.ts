/** What is committed to a table, read from its files only: for queries, for the writer's start, for `floe` commands. */
import { Effect, Option } from "effect"
import { type Progress, TableBroken, type TableUnavailable } from "../../../services/Table.ts"
import * as Files from "../../runtime/files.ts"
import * as LogProgress from "./logProgress.ts"
import * as Manifest from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import { type CurrentMetadata, parse, readMetadata } from "./MetadataFiles.ts"
import * as manifestCodec from "./manifestCodec.ts"
import { located } from "./paths.ts"

/** A data file of a snapshot. */
export interface TableFile {
  /** Absolute, and valid now, wherever the data folder was when the file was written. */
  readonly path: string
  /** The partition; undefined where another engine has made it by another partition spec. */
  readonly ts: string | undefined
  readonly rows: number
  readonly bytes: number
}

export interface SnapshotInfo {
  /** 64-bit integers, as text. */
  readonly snapshotId: string
  readonly parentId: Option.Option<string>
  readonly operation: string
  /** Milliseconds since 1970. */
  readonly committedAt: number
  readonly progress: Progress | undefined
  /** Of the whole table at that snapshot, where its writer gave them. */
  readonly rows: number | undefined
  readonly files: number | undefined
  readonly bytes: number | undefined
}

/** The table at one snapshot. Its files stay while its id is in the newest metadata, or while a lease is held on it that was taken before it left them. */
export interface TableSnapshot {
  /** N of the newest `v<N>.metadata.json`. */
  readonly version: number
  /** A 64-bit integer, as text. */
  readonly snapshotId: string
  /** All snapshots that are kept. */
  readonly snapshotIds: ReadonlySet<string>
  /** Undefined where the table does not tell. */
  readonly progress: Progress | undefined
  /** The table's folder as the metadata record it; another one than the real folder after a move, until the sink starts. */
  readonly location: string
  readonly files: ReadonlyArray<TableFile>
}

const missingIsBroken = (path: string) =>
  Effect.mapError((error: TableUnavailable) =>
    Files.isMissing(error) ? new TableBroken({ file: path, reason: "is missing" }) : error
  )

/** The manifests that a manifest list names. */
export const readList = Effect.fnUntraced(function* (tableFolder: string, location: string, recorded: string) {
  const path = yield* located(tableFolder, location, recorded)
  const bytes = yield* Files.read(path).pipe(missingIsBroken(path))
  return yield* parse(path, () => manifestCodec.decodeList(bytes))
})

/** A manifest as it was written: what its list says of it, its form, and its entries, which may lack what the list tells. */
export const readWritten = Effect.fnUntraced(function* (
  tableFolder: string,
  location: string,
  manifest: Manifest.ManifestFile
) {
  const path = yield* located(tableFolder, location, manifest.manifest_path)
  const bytes = yield* Files.read(path).pipe(missingIsBroken(path))
  return yield* parse(path, () => manifestCodec.decodeEntries(bytes))
})

/** The entries of a manifest, with the sequence numbers that they take from it. */
export const readManifest = (tableFolder: string, location: string, manifest: Manifest.ManifestFile) =>
  Effect.map(readWritten(tableFolder, location, manifest), ({ entries }) => Manifest.inherit(manifest, entries))

/** A live file of a snapshot, data or deletes, with all that its manifest says of it. */
export interface LiveEntry {
  /** Absolute, and valid now. */
  readonly path: string
  readonly manifest: Manifest.ManifestFile
  readonly entry: Manifest.ManifestEntry
}

export const toTableFile = ({ entry, manifest, path }: LiveEntry): TableFile => ({
  path,
  ts: Manifest.hourOf(manifest, entry),
  rows: entry.data_file.record_count,
  bytes: entry.data_file.file_size_in_bytes
})

/** The live files of one manifest. */
export const readLive = Effect.fnUntraced(function* (
  tableFolder: string,
  location: string,
  manifest: Manifest.ManifestFile
) {
  const entries = yield* readManifest(tableFolder, location, manifest)
  const live = entries.filter((entry) => entry.status !== Manifest.status.deleted)
  return yield* Effect.forEach(live, (entry) =>
    Effect.map(
      located(tableFolder, location, entry.data_file.file_path),
      (path): LiveEntry => ({ path, manifest, entry })
    )
  )
})

/** The live files of a snapshot, data and deletes of whatever spec. */
export const readEntries = Effect.fnUntraced(function* (
  tableFolder: string,
  { metadata, snapshot }: Pick<CurrentMetadata, "metadata" | "snapshot">
) {
  const { location } = metadata
  const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"])
  const read = Effect.forEach(manifests, (manifest) => readLive(tableFolder, location, manifest), { concurrency: 8 })
  return (yield* read).flat()
})

/** The data files of a snapshot, whatever deletes rows of them. */
export const readFiles = Effect.fnUntraced(function* (
  tableFolder: string,
  current: Pick<CurrentMetadata, "metadata" | "snapshot">
) {
  const entries = yield* readEntries(tableFolder, current)
  return entries.flatMap((live) => (live.entry.data_file.content === Manifest.content.data ? [toTableFile(live)] : []))
})

/** The table at its newest snapshot; none before the first commit. */
export const readTable = Effect.fn("readTable")(function* (
  tableFolder: string
): Effect.fn.Return<Option.Option<TableSnapshot>, TableUnavailable | TableBroken> {
  for (let tries = 0; ; tries++) {
    const current = yield* readMetadata(tableFolder)
    if (Option.isNone(current)) return Option.none()
    const { metadata, snapshot, version } = current.value
    const files = yield* readFiles(tableFolder, current.value).pipe(
      Effect.map(Option.some),
      // The snapshot may have expired meanwhile, and its manifests with it; then there is a newer one to read.
      Effect.catchIf(
        (error) => error._tag === "TableBroken" && tries < 5,
        (error) =>
          Effect.flatMap(readMetadata(tableFolder), (next) =>
            Option.isSome(next) && next.value.version === version ? Effect.fail(error) : Effect.succeedNone
          )
      )
    )
    if (Option.isNone(files)) continue
    return Option.some({
      version,
      snapshotId: String(snapshot["snapshot-id"]),
      snapshotIds: new Set(metadata.snapshots.map((kept) => String(kept["snapshot-id"]))),
      progress: Option.getOrUndefined(LogProgress.at(metadata, snapshot)),
      location: metadata.location,
      files: files.value
    })
  }
})

/** The snapshots that are kept, newest first; none before the first commit. */
export const listSnapshots = Effect.fn("listSnapshots")(function* (tableFolder: string) {
  const current = yield* readMetadata(tableFolder)
  if (Option.isNone(current)) return []
  return current.value.metadata.snapshots.toReversed().map(
    (snapshot): SnapshotInfo => ({
      snapshotId: String(snapshot["snapshot-id"]),
      parentId: Option.map(Option.fromNullishOr(snapshot["parent-snapshot-id"]), String),
      operation: Metadata.operationOf(snapshot),
      committedAt: snapshot["timestamp-ms"],
      progress: Metadata.progressOf(snapshot),
      rows: Metadata.countOf(snapshot, "total-records"),
      files: Metadata.countOf(snapshot, "total-data-files"),
      bytes: Metadata.countOf(snapshot, "total-files-size")
    })
  )
})
