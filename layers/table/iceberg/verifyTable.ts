/**
 * Checks every file that a kept snapshot needs: that it exists, can be read and has its recorded size; that manifests
 * decode and hold as many files and rows as their list records; and the first and last bytes of Parquet files. It does not
 * check the pages within them, for which Iceberg records no checksum.
 */
import { join, relative } from "node:path"
import { Effect, Option } from "effect"
import * as Files from "../../runtime/files.ts"
import { faultOf } from "./inspectFile.ts"
import * as Manifest from "./Manifest.ts"
import type * as Metadata from "./Metadata.ts"
import { type CurrentMetadata, readMetadata } from "./MetadataFiles.ts"
import { located } from "./paths.ts"
import { readList, readManifest } from "./readManifests.ts"

export interface Fault {
  /** Relative to the table's folder. */
  readonly file: string
  /** The end of a sentence. */
  readonly reason: string
}

export interface VerifiedTable {
  /** The version that readers use. */
  readonly version: number
  /** The newest metadata file, if it is skipped because it is torn. */
  readonly torn: Fault | undefined
  /** `version-hint.text`, if it names another version. */
  readonly hint: Fault | undefined
  /** Of the current snapshot: manifest list and manifests. */
  readonly manifests: ReadonlyArray<Fault>
  /** Of the current snapshot: data and delete files. */
  readonly files: ReadonlyArray<Fault>
  /** Files that only older snapshots need; `olderSnapshots` counts the incomplete ones. */
  readonly older: ReadonlyArray<Fault>
  readonly olderSnapshots: number
}

/** The first and last bytes are read of at most this many Parquet files, the newest; of the others only the size is checked. */
const maxRead = 10_000
const concurrency = 16

interface Contents {
  readonly manifests: ReadonlyArray<Fault>
  readonly files: ReadonlyArray<Fault>
}

const contradicts = (manifest: Manifest.ManifestFile, entries: ReadonlyArray<Manifest.ManifestEntry>) => {
  const rows = { added: 0, existing: 0 }
  const files = { added: 0, existing: 0 }
  for (const { data_file, status } of entries) {
    if (status === Manifest.status.deleted) continue
    const kind = status === Manifest.status.added ? "added" : "existing"
    files[kind]++
    rows[kind] += data_file.record_count
  }
  return (
    files.added !== manifest.added_files_count ||
    files.existing !== manifest.existing_files_count ||
    rows.added !== manifest.added_rows_count ||
    rows.existing !== manifest.existing_rows_count
  )
}

const hintDelay = "200 millis"

const hintOf = Effect.fnUntraced(function* (tableFolder: string, version: number) {
  const file = "metadata/version-hint.text"
  const read = yield* Effect.result(Files.read(join(tableFolder, file)))
  if (read._tag === "Failure") {
    return { file, reason: Files.isMissing(read.failure) ? "is missing" : `cannot be read: ${read.failure.reason}` }
  }
  const text = read.success.toString().trim()
  return text === String(version)
    ? undefined
    : { file, reason: `contains ${JSON.stringify(text.slice(0, 20))}, not ${version}` }
})

const walker = (tableFolder: string, location: string) => {
  const faultsOfFile = new Map<string, Fault | undefined>()
  const ofManifest = new Map<string, Contents>()
  let read = 0

  const placeOf = (recorded: string) =>
    Effect.catch(located(tableFolder, location, recorded), () => Effect.succeed(recorded))
  const shown = (path: string) => relative(tableFolder, path)
  const orFault = <A>(recorded: string, effect: Effect.Effect<A, { readonly reason: string }>) =>
    Effect.catch(effect, ({ reason }) =>
      Effect.flatMap(placeOf(recorded), (path) => Effect.fail<Fault>({ file: shown(path), reason }))
    )

  const inspect = Effect.fnUntraced(function* (entry: Manifest.ManifestEntry) {
    const { file_format, file_path, file_size_in_bytes } = entry.data_file
    const path = yield* placeOf(file_path)
    if (!faultsOfFile.has(path)) {
      const isParquet = file_format.toUpperCase() === "PARQUET" && read++ < maxRead
      const reason = yield* faultOf(path, file_size_in_bytes, isParquet)
      faultsOfFile.set(path, reason === undefined ? undefined : { file: shown(path), reason })
    }
    return faultsOfFile.get(path)
  })

  const manifest = Effect.fnUntraced(
    function* (one: Manifest.ManifestFile) {
      const known = ofManifest.get(one.manifest_path)
      if (known !== undefined) return known
      const path = yield* placeOf(one.manifest_path)
      const fault = yield* faultOf(path, one.manifest_length, false)
      if (fault !== undefined) return { manifests: [{ file: shown(path), reason: fault }], files: [] }
      const entries = yield* orFault(one.manifest_path, readManifest(tableFolder, location, one))
      const faults = contradicts(one, entries)
        ? [{ file: shown(path), reason: "does not match its manifest list" }]
        : []
      const live = entries
        .filter(({ status }) => status !== Manifest.status.deleted)
        .sort((a, b) => (b.file_sequence_number ?? 0) - (a.file_sequence_number ?? 0))
      const files = yield* Effect.forEach(live, inspect, { concurrency })
      return { manifests: faults, files: files.filter((fault) => fault !== undefined) }
    },
    Effect.catch((fault) => Effect.succeed<Contents>({ manifests: [fault], files: [] }))
  )

  return Effect.fnUntraced(function* (snapshot: Metadata.Snapshot) {
    const recorded = snapshot["manifest-list"]
    const manifests = yield* Effect.result(orFault(recorded, readList(tableFolder, location, recorded)))
    if (manifests._tag === "Failure") return { manifests: [manifests.failure], files: [] }
    const newestFirst = manifests.success.toSorted((a, b) => b.sequence_number - a.sequence_number)
    const all: Array<Contents> = []
    for (const one of newestFirst) {
      const contents = yield* manifest(one)
      ofManifest.set(one.manifest_path, contents)
      all.push(contents)
    }
    return {
      manifests: all.flatMap((one) => one.manifests),
      files: all.flatMap((one) => one.files)
    } satisfies Contents
  })
}

const walk = Effect.fnUntraced(function* (tableFolder: string, { metadata, snapshot, torn, version }: CurrentMetadata) {
  const contentsOf = walker(tableFolder, metadata.location)
  const current = yield* contentsOf(snapshot)
  const known = new Set([...current.manifests, ...current.files].map(({ file }) => file))
  const older = new Map<Metadata.Snapshot, ReadonlyArray<Fault>>()
  for (const one of metadata.snapshots) {
    if (one["snapshot-id"] === snapshot["snapshot-id"]) continue
    const { files, manifests } = yield* contentsOf(one)
    const faults = [...manifests, ...files].filter(({ file }) => !known.has(file))
    if (faults.length > 0) older.set(one, faults)
  }
  const [newest] = torn
  const skipped = newest && { file: relative(tableFolder, newest.file), reason: newest.reason }
  const hint = yield* hintOf(tableFolder, version)
  const still = hint === undefined ? hint : yield* Effect.delay(hintOf(tableFolder, version), hintDelay)
  return { ...current, older, torn: skipped, hint: still }
})

/** The snapshots that are still kept; files of the others may have been removed meanwhile. */
const stillKept = Effect.fnUntraced(function* (tableFolder: string) {
  const now = yield* readMetadata(tableFolder)
  if (Option.isNone(now)) return { version: 0, ids: new Set<string>() }
  const { metadata, version } = now.value
  return { version, ids: new Set(metadata.snapshots.map((one) => String(one["snapshot-id"]))) }
})

/** None before the first commit. Fails if the metadata cannot be read. */
export const verifyTable = Effect.fn("verifyTable")(function* (tableFolder: string) {
  for (;;) {
    const newest = yield* readMetadata(tableFolder)
    if (Option.isNone(newest)) return Option.none<VerifiedTable>()
    const { snapshot, version } = newest.value
    const walked = yield* walk(tableFolder, newest.value)
    const now = yield* stillKept(tableFolder)
    const isKept = (one: Metadata.Snapshot) => now.ids.has(String(one["snapshot-id"]))
    if (!isKept(snapshot)) continue
    const older = [...walked.older].filter(([one]) => isKept(one)).map(([, faults]) => faults)
    const distinct = new Map(older.flat().map((fault) => [fault.file, fault]))
    const isNewest = now.version === version
    return Option.some<VerifiedTable>({
      version,
      torn: isNewest ? walked.torn : undefined,
      hint: isNewest ? walked.hint : undefined,
      manifests: walked.manifests,
      files: walked.files,
      older: [...distinct.values()],
      olderSnapshots: older.length
    })
  }
})
