/** The newest version of a table as its writer knows it: read from disk at first, then advanced by each commit. */
import { join } from "node:path"
import { Effect, Option } from "effect"
import { type Committed, TableBroken } from "../../../services/TableWriter.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import { ActiveFiles } from "./ActiveFiles.ts"
import * as LogProgress from "./logProgress.ts"
import type { ManifestFile } from "./Manifest.ts"
import type { ManifestStore, NewManifest } from "./ManifestStore.ts"
import * as Metadata from "./Metadata.ts"
import { type CurrentMetadata, isStillNewest, readMetadata } from "./MetadataFiles.ts"
import type { FormedEntries } from "./manifestEntries.ts"
import { canCarryOver } from "./manifestFormat.ts"
import { liveFiles } from "./manifestMerge.ts"
import { engineOf } from "./otherWriters.ts"
import { pathOf } from "./paths.ts"
import { readList } from "./readManifests.ts"

export interface TableVersion {
  readonly version: number
  /** The highest version number with a file on disk, torn or not. */
  readonly highest: number
  /** The metadata file's name. */
  readonly name: string
  /** Distinguishes that file from any other that may take its name. */
  readonly identity: string | undefined
  readonly metadata: Metadata.TableMetadata
  readonly manifests: ReadonlyArray<ManifestFile>
}

/** A snapshot that Floe dropped from the metadata, and the first version without it. */
export interface Dropped {
  readonly snapshot: Metadata.Snapshot
  readonly version: number
}

const countIn = (manifests: ReadonlyArray<ManifestFile>, count: (manifest: ManifestFile) => number) =>
  manifests.reduce((sum, manifest) => sum + (manifest.content === 0 ? count(manifest) : 0), 0)

const committedOf = ({ version, metadata, manifests }: TableVersion): Option.Option<Committed> =>
  Option.flatMap(Option.fromUndefinedOr(Metadata.currentSnapshot(metadata)), (snapshot) =>
    Option.map(LogProgress.at(metadata, snapshot), (progress) => ({
      snapshotId: String(snapshot["snapshot-id"]),
      version,
      progress,
      rows: countIn(manifests, (manifest) => manifest.added_rows_count + manifest.existing_rows_count),
      files: countIn(manifests, liveFiles)
    }))
  )

export const missingProgress = (file: string) =>
  new TableBroken({
    file,
    reason:
      "does not record how much of the log the table holds, because another program has changed it; use that program to make a snapshot that Floe wrote current again, or rebuild the table (floe rebuild --into <table> --promote)",
    unsupported: true
  })

/** The spec of the table with this metadata, or of a table without metadata. */
export type SpecOf = (metadata: Metadata.TableMetadata | undefined) => TableSpec

export const make = (tableFolder: string, store: ManifestStore, specOf: SpecOf) => {
  const metadataFolder = join(tableFolder, "metadata")
  let active = new ActiveFiles(specOf(undefined))
  let current: TableVersion | undefined
  let foreignCommits = 0
  let dropped: ReadonlyArray<Dropped> = []
  /** Manifests of format version 1, which cannot be rewritten. */
  const frozen = new Set<string>()

  const learn = (manifest: ManifestFile, { entries, form }: FormedEntries) => {
    if (!canCarryOver(form)) frozen.add(manifest.manifest_path)
    else active.learn(manifest, entries)
  }

  const load = Effect.fnUntraced(function* (read: CurrentMetadata) {
    const { highest, identity, metadata, name, snapshot, torn, version } = read
    const file = join(metadataFolder, name)
    for (const { file: path, reason } of torn) {
      yield* Effect.logWarning(`${path} ${reason}: it is ignored, and its version number is not used again.`)
    }
    const spec = specOf(metadata)
    const unwritable = Metadata.whyUnwritable(metadata, spec)
    if (unwritable !== undefined) return yield* new TableBroken({ file, reason: unwritable, unsupported: true })
    if (pathOf(metadata.location).replace(/\/$/, "") !== tableFolder) {
      return yield* new TableBroken({
        file,
        reason: `gives ${metadata.location} as the table's location`,
        unsupported: true
      })
    }
    const manifests = yield* readList(tableFolder, metadata.location, snapshot["manifest-list"])
    const next: TableVersion = { version, highest, name, identity, metadata, manifests }
    if (Option.isNone(committedOf(next))) return yield* missingProgress(file)
    active = new ActiveFiles(spec)
    frozen.clear()
    store.forgetAllBut(new Set(manifests.map((manifest) => manifest.manifest_path)))
    for (const manifest of manifests) {
      for (const formed of yield* store.liveEntries([manifest])) learn(manifest, formed)
    }
    current = next
    // Hadoop's rename can overwrite Floe's metadata with metadata that still has snapshots that Floe had dropped.
    const present = new Set(metadata.snapshots.map((one) => one["snapshot-id"]))
    dropped = dropped.filter((one) => !present.has(one.snapshot["snapshot-id"]))
  })

  return {
    load,
    /** Loads the newest version, if another program has committed since. */
    refresh: Effect.gen(function* () {
      const before = current
      if (before !== undefined && (yield* isStillNewest(tableFolder, before))) return
      const newest = yield* readMetadata(tableFolder)
      if (Option.isNone(newest)) {
        if (before === undefined) return
        return yield* new TableBroken({ file: metadataFolder, reason: "was emptied while the sink was running" })
      }
      yield* load(newest.value)
      foreignCommits++
      const { snapshot, version } = newest.value
      yield* Effect.logInfo(
        `The table was changed by ${engineOf(snapshot)}: version ${version}, snapshot ${snapshot["snapshot-id"]} (${Metadata.operationOf(snapshot)}). Floe continues from there.`
      )
    }),
    /** Makes a version that this writer has committed the current one. */
    advance: (next: TableVersion, added: ReadonlyArray<NewManifest>) => {
      const before = current
      current = next
      if (before !== undefined) {
        const ids = new Set(next.metadata.snapshots.map((one) => one["snapshot-id"]))
        const gone = before.metadata.snapshots.filter((one) => !ids.has(one["snapshot-id"]))
        dropped = [...dropped, ...gone.map((snapshot) => ({ snapshot, version: next.version }))]
        const named = new Set(next.manifests.map((manifest) => manifest.manifest_path))
        for (const { manifest_path } of before.manifests) if (!named.has(manifest_path)) store.forget(manifest_path)
      }
      for (const manifest of added) {
        learn(manifest.described, manifest)
        store.remember(manifest)
      }
    },
    get version() {
      return current
    },
    get active() {
      return active
    },
    committed: () => Option.flatMap(Option.fromUndefinedOr(current), committedOf),
    isFrozen: (manifest: ManifestFile) => frozen.has(manifest.manifest_path),
    /** How many times another program's commits were loaded. */
    foreignCommits: () => foreignCommits,
    /** Oldest first. */
    dropped: () => dropped,
    forgetDropped: (one: Dropped) => {
      dropped = dropped.filter((other) => other !== one)
    }
  }
}
