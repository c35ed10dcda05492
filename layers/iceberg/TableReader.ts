/** What is committed to a table, read from its files only: for queries, for the writer's start, for `floe` commands. */
import { access } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { type Progress, TableBroken, type TableUnavailable } from "../../services/Table.ts"
import * as Files from "./Files.ts"
import * as Manifest from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"

/** A data file of a snapshot. */
export interface TableFile {
  /** Absolute, and valid now, wherever the data folder was when the file was written. */
  readonly path: string
  /** The partition. */
  readonly ts: string
  readonly rows: number
  readonly bytes: number
}

export interface SnapshotInfo {
  readonly snapshotId: number
  readonly parentId: Option.Option<number>
  readonly operation: Metadata.Summary["operation"]
  /** Milliseconds since 1970. */
  readonly committedAt: number
  readonly progress: Progress
  /** Of the whole table at that snapshot. */
  readonly rows: number
  readonly files: number
  readonly bytes: number
}

/** The table at one snapshot. Its files stay while its id is in the newest metadata, or while a lease is held on it that was taken before it left them. */
export interface TableSnapshot {
  /** N of the newest `v<N>.metadata.json`. */
  readonly version: number
  readonly snapshotId: number
  /** All snapshots that are kept. */
  readonly snapshotIds: ReadonlySet<number>
  readonly progress: Progress
  /** The table's folder as the metadata record it; another one than the real folder after a move, until the sink starts. */
  readonly location: string
  readonly files: ReadonlyArray<TableFile>
}

export interface CurrentMetadata {
  readonly version: number
  /** The highest version that has a file, whole or not. */
  readonly highest: number
  readonly metadata: Metadata.TableMetadata
  readonly snapshot: Metadata.Snapshot
}

/** Maps a path that the table's files name, under the recorded location, to the table's real folder. */
export const located = (tableFolder: string, location: string, path: string) =>
  path.startsWith(`${location}/`)
    ? Effect.succeed(join(tableFolder, path.slice(location.length + 1)))
    : Effect.fail(new TableBroken({ file: path, reason: `is not in the table's location ${location}` }))

const parse = <A>(path: string, run: () => A) =>
  Effect.try({
    try: run,
    catch: (cause) =>
      new TableBroken({ file: path, reason: `cannot be read: ${cause instanceof Error ? cause.message : cause}` })
  })

const readVersion = Effect.fnUntraced(function* (tableFolder: string, version: number) {
  const path = join(tableFolder, "metadata", Metadata.fileName(version))
  const bytes = yield* Files.read(path)
  const metadata = yield* parse(path, () => Metadata.decode(bytes.toString()))
  const snapshot = Metadata.currentSnapshot(metadata)
  if (snapshot === undefined) {
    return yield* new TableBroken({ file: path, reason: "names a current snapshot that it does not hold" })
  }
  const list = yield* located(tableFolder, metadata.location, snapshot["manifest-list"])
  yield* Files.attempt("looking for the manifest list", () => access(list))
  return { version, metadata, snapshot }
})

/**
 * The highest `v<N>.metadata.json` that is whole: it parses and its manifest list is there. One that is not was never
 * acknowledged, or the disk has lost it; the version before it is a whole older table, with its own progress.
 */
export const readMetadata = Effect.fn("TableReader.readMetadata")(function* (tableFolder: string) {
  let broken: TableBroken | TableUnavailable | undefined
  // A busy writer may remove, between the listing and the reading, every version that was listed.
  for (let tries = 0; tries < 5; tries++) {
    const versions = (yield* Files.list(join(tableFolder, "metadata")))
      .flatMap((name) => Metadata.versionOf(name) ?? [])
      .sort((a, b) => b - a)
    const highest = versions[0]
    if (highest === undefined) return Option.none<CurrentMetadata>()
    for (const version of versions) {
      const found = yield* readVersion(tableFolder, version).pipe(
        Effect.map(Option.some),
        Effect.catchIf(
          (error) => error._tag === "TableBroken" || Files.isMissing(error),
          (error) => {
            broken ??= error
            return Effect.succeedNone
          }
        )
      )
      if (Option.isSome(found)) return Option.some<CurrentMetadata>({ ...found.value, highest })
    }
  }
  return yield* broken?._tag === "TableBroken"
    ? broken
    : new TableBroken({ file: join(tableFolder, "metadata"), reason: "holds no whole metadata file" })
})

const missingIsBroken = (path: string) =>
  Effect.mapError((error: TableUnavailable) =>
    Files.isMissing(error) ? new TableBroken({ file: path, reason: "is missing" }) : error
  )

/** The manifests that a manifest list names. */
export const readList = Effect.fnUntraced(function* (tableFolder: string, location: string, recorded: string) {
  const path = yield* located(tableFolder, location, recorded)
  const bytes = yield* Files.read(path).pipe(missingIsBroken(path))
  return yield* parse(path, () => Manifest.decodeList(bytes))
})

/** The entries of a manifest, with the sequence numbers that they take from it. */
export const readManifest = Effect.fnUntraced(function* (
  tableFolder: string,
  location: string,
  manifest: Manifest.ManifestFile
) {
  const path = yield* located(tableFolder, location, manifest.manifest_path)
  const bytes = yield* Files.read(path).pipe(missingIsBroken(path))
  return yield* parse(path, () => Manifest.inherit(manifest, Manifest.decodeEntries(bytes)))
})

/** The data files of a snapshot. */
export const readFiles = Effect.fnUntraced(function* (
  tableFolder: string,
  { metadata, snapshot }: Pick<CurrentMetadata, "metadata" | "snapshot">
) {
  const { location } = metadata
  const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"])
  const entries = yield* Effect.forEach(manifests, (manifest) => readManifest(tableFolder, location, manifest), {
    concurrency: 8
  })
  const live = entries.flat().filter((entry) => entry.status !== Manifest.status.deleted)
  return yield* Effect.forEach(
    live,
    Effect.fnUntraced(function* ({ data_file }) {
      const file: TableFile = {
        path: yield* located(tableFolder, location, data_file.file_path),
        ts: data_file.partition.ts,
        rows: data_file.record_count,
        bytes: data_file.file_size_in_bytes
      }
      return file
    })
  )
})

/** The table at its newest snapshot; none before the first commit. */
export const readTable = Effect.fn("TableReader.readTable")(function* (
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
      snapshotId: snapshot["snapshot-id"],
      snapshotIds: new Set(metadata.snapshots.map((kept) => kept["snapshot-id"])),
      progress: Metadata.progressOf(snapshot),
      location: metadata.location,
      files: files.value
    })
  }
})

/** The snapshots that are kept, newest first; none before the first commit. */
export const listSnapshots = Effect.fn("TableReader.listSnapshots")(function* (tableFolder: string) {
  const current = yield* readMetadata(tableFolder)
  if (Option.isNone(current)) return []
  return current.value.metadata.snapshots.toReversed().map(
    (snapshot): SnapshotInfo => ({
      snapshotId: snapshot["snapshot-id"],
      parentId: Option.fromUndefinedOr(snapshot["parent-snapshot-id"]),
      operation: snapshot.summary.operation,
      committedAt: snapshot["timestamp-ms"],
      progress: Metadata.progressOf(snapshot),
      rows: snapshot.summary["total-records"],
      files: snapshot.summary["total-data-files"],
      bytes: snapshot.summary["total-files-size"]
    })
  )
})
