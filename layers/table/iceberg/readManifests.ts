/** Reads the manifests of a snapshot, and the files that they list. */
import { Effect } from "effect"
import { TableBroken, type TableUnavailable } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"
import * as Manifest from "./Manifest.ts"
import { type CurrentMetadata, parse } from "./MetadataFiles.ts"
import * as manifestCodec from "./manifestCodec.ts"
import { located } from "./paths.ts"

/** A data file of a snapshot. */
export interface TableFile {
  /** Absolute, and valid even if the data folder was moved since. */
  readonly path: string
  /** The partition; undefined under another engine's partition spec. */
  readonly ts: string | undefined
  readonly rows: number
  readonly bytes: number
}

const missingIsBroken = (path: string) =>
  Effect.mapError((error: TableUnavailable) =>
    Files.isMissing(error) ? new TableBroken({ file: path, reason: "is missing" }) : error
  )

/** `recorded` is the manifest list's path as the metadata records it. */
export const readList = Effect.fnUntraced(function* (tableFolder: string, location: string, recorded: string) {
  const path = yield* located(tableFolder, location, recorded)
  const bytes = yield* Files.read(path).pipe(missingIsBroken(path))
  return yield* parse(path, () => manifestCodec.decodeList(bytes))
})

/** A manifest as it was written: added entries may lack what they inherit from the manifest list. */
export const readWritten = Effect.fnUntraced(function* (
  tableFolder: string,
  location: string,
  manifest: Manifest.ManifestFile
) {
  const path = yield* located(tableFolder, location, manifest.manifest_path)
  const bytes = yield* Files.read(path).pipe(missingIsBroken(path))
  return yield* parse(path, () => manifestCodec.decodeEntries(bytes))
})

/** The entries of a manifest, with the snapshot id and sequence numbers that they inherit. */
export const readManifest = (tableFolder: string, location: string, manifest: Manifest.ManifestFile) =>
  Effect.map(readWritten(tableFolder, location, manifest), ({ entries }) => Manifest.inherit(manifest, entries))

/** A live file of a snapshot, data or deletes, with its manifest entry. */
export interface LiveEntry {
  /** Absolute, and valid even if the data folder was moved since. */
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

/** The live files of a snapshot, data and deletes, of every partition spec. */
export const readEntries = Effect.fnUntraced(function* (
  tableFolder: string,
  { metadata, snapshot }: Pick<CurrentMetadata, "metadata" | "snapshot">
) {
  const { location } = metadata
  const manifests = yield* readList(tableFolder, location, snapshot["manifest-list"])
  const read = Effect.forEach(manifests, (manifest) => readLive(tableFolder, location, manifest), { concurrency: 8 })
  return (yield* read).flat()
})

/** The data files of a snapshot, with or without deleted rows. */
export const readFiles = Effect.fnUntraced(function* (
  tableFolder: string,
  current: Pick<CurrentMetadata, "metadata" | "snapshot">
) {
  const entries = yield* readEntries(tableFolder, current)
  return entries.flatMap((live) => (live.entry.data_file.content === Manifest.content.data ? [toTableFile(live)] : []))
})
