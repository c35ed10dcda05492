/**
 * One table's current version and how it goes on to the next: appends and replacements, one at a time.
 * Owns: versions, snapshots, manifests. Does not own: rows and Parquet files, which are there before they are committed.
 */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Clock, Effect, Option, Random, Semaphore } from "effect"
import { type Committed, type Progress, TableBroken } from "../../services/Table.ts"
import { type LiveFile, LiveFiles } from "./LiveFiles.ts"
import * as LogProgress from "./LogProgress.ts"
import * as Manifest from "./Manifest.ts"
import { fullManifest, liveFiles, toMerge } from "./ManifestMerge.ts"
import * as ManifestStore from "./ManifestStore.ts"
import * as Metadata from "./Metadata.ts"
import type { CurrentMetadata } from "./MetadataFiles.ts"
import { pathOf } from "./Paths.ts"
import { type Failpoint, publish } from "./Publish.ts"
import * as Snapshots from "./Snapshots.ts"
import { readList } from "./TableReader.ts"

export interface CommitOptions {
  /** The table's real folder, absolute. */
  readonly tableFolder: string
  /** Part of the name of every file that this writer makes. */
  readonly writer: string
  readonly snapshotKeep: number
  readonly failpoint?: Failpoint | undefined
}

interface Version {
  readonly version: number
  /** The highest version that has a file. */
  readonly highest: number
  readonly metadata: Metadata.TableMetadata
  readonly manifests: ReadonlyArray<Manifest.ManifestFile>
}

/** A snapshot that has left the metadata, and the one after it. */
export interface Expired {
  readonly snapshot: Metadata.Snapshot
  readonly next: Metadata.Snapshot
}

const countIn = (manifests: ReadonlyArray<Manifest.ManifestFile>, count: (manifest: Manifest.ManifestFile) => number) =>
  manifests.reduce((sum, manifest) => sum + (manifest.content === 0 ? count(manifest) : 0), 0)

const committedOf = ({ version, metadata, manifests }: Version): Option.Option<Committed> =>
  Option.flatMap(Option.fromUndefinedOr(Metadata.currentSnapshot(metadata)), (snapshot) =>
    Option.map(LogProgress.at(metadata, snapshot), (progress) => ({
      snapshotId: String(snapshot["snapshot-id"]),
      version,
      progress,
      rows: countIn(manifests, (manifest) => manifest.added_rows_count + manifest.existing_rows_count),
      files: countIn(manifests, liveFiles)
    }))
  )

const existing = (entry: Manifest.ManifestEntry): Manifest.ManifestEntry => ({
  ...entry,
  status: Manifest.status.existing
})

/** Without a sequence number it takes the snapshot's own. */
const newEntry = (
  snapshotId: bigint,
  data_file: Manifest.DataFile,
  sequence: number | null
): Manifest.ManifestEntry => ({
  status: Manifest.status.added,
  snapshot_id: snapshotId,
  sequence_number: sequence,
  file_sequence_number: null,
  data_file
})

/** As many entries as a manifest takes, again and again. */
const inParts = (entries: ReadonlyArray<Manifest.ManifestEntry>) =>
  Array.from({ length: Math.ceil(entries.length / fullManifest) }, (_, i) =>
    entries.slice(i * fullManifest, (i + 1) * fullManifest)
  )

export const make = Effect.fn("TableCommits.make")(function* (
  options: CommitOptions,
  opened: Option.Option<CurrentMetadata>
) {
  const { tableFolder, writer } = options
  const oneAtATime = yield* Semaphore.make(1)
  const live = new LiveFiles()
  const store = ManifestStore.make(tableFolder, writer)
  let current: Version | undefined
  const expired: Array<Expired> = []
  const oldMetadata: Array<string> = []

  /** Manifests that cannot be rewritten. */
  const fixed = new Set<string>()

  /** Of what another engine has written only what can be written again in the same form. */
  const learn = (manifest: Manifest.ManifestFile, { entries, form }: ManifestStore.Formed) => {
    if (!Manifest.canCarryOver(form)) fixed.add(manifest.manifest_path)
    else live.learn(manifest, entries)
  }

  if (Option.isSome(opened)) {
    const { version, highest, metadata, snapshot } = opened.value
    const manifests = yield* readList(tableFolder, tableFolder, snapshot["manifest-list"])
    for (const manifest of manifests) {
      for (const formed of yield* store.liveEntries([manifest])) learn(manifest, formed)
    }
    current = { version, highest, metadata, manifests }
    if (Option.isNone(committedOf(current))) {
      return yield* new TableBroken({
        file: tableFolder,
        reason: "does not tell how far the log is in it, since another engine changed it; rebuild it from the log",
        unsupported: true
      })
    }
  }

  /** Takes the new version over, and notes what has left the metadata with it. */
  const takeOver = (next: Version) => {
    const before = current
    current = next
    if (before === undefined) return
    const first = next.metadata.snapshots[0]?.["snapshot-id"]
    const history = [...before.metadata.snapshots, ...next.metadata.snapshots.slice(-1)]
    for (const [i, snapshot] of before.metadata.snapshots.entries()) {
      const after = history[i + 1]
      if (after === undefined || snapshot["snapshot-id"] === first) break
      expired.push({ snapshot, next: after })
    }
    const logged = new Set(next.metadata["metadata-log"].map((entry) => entry["metadata-file"]))
    for (const entry of before.metadata["metadata-log"]) {
      if (!logged.has(entry["metadata-file"])) oldMetadata.push(entry["metadata-file"])
    }
    const named = new Set(next.manifests.map((manifest) => manifest.manifest_path))
    for (const { manifest_path } of before.manifests) if (!named.has(manifest_path)) store.forget(manifest_path)
  }

  const newSnapshot = Effect.gen(function* () {
    const sequenceNumber = (current?.metadata["last-sequence-number"] ?? 0) + 1
    for (;;) {
      const id = BigInt(yield* Random.nextIntBetween(1, Number.MAX_SAFE_INTEGER))
      if (!current?.metadata.snapshots.some((snapshot) => snapshot["snapshot-id"] === id)) return { id, sequenceNumber }
    }
  })

  /** Makes a snapshot of these manifests current. */
  const advance = Effect.fnUntraced(function* (
    id: bigint,
    change: Snapshots.Change,
    kept: ReadonlyArray<Manifest.ManifestFile>,
    added: ReadonlyArray<ManifestStore.NewManifest>,
    dataFiles: ReadonlyArray<string>
  ) {
    const before = current
    const manifestList = join(tableFolder, "metadata", `snap-${id}-${writer}.avro`)
    const metadata = Snapshots.withSnapshot(
      before?.metadata ?? Snapshots.firstMetadata(randomUUID(), tableFolder),
      before?.version ?? 0,
      change,
      { id, manifestList, now: yield* Clock.currentTimeMillis },
      options.snapshotKeep
    )
    const manifests = [...kept, ...added.map(({ described }) => described)]
    const parent = before?.metadata["current-snapshot-id"]
    const list = Manifest.encodeList({ id, parent, sequenceNumber: metadata["last-sequence-number"] }, manifests)
    const version = (before?.highest ?? 0) + 1
    const files = [...added.map(({ file }) => file), { path: manifestList, bytes: list }]
    yield* publish({ tableFolder, writer, version, metadata, files, dataFiles, failpoint: options.failpoint })
    const next: Version = { version, highest: version, metadata, manifests }
    takeOver(next)
    for (const manifest of added) {
      learn(manifest.described, manifest)
      store.remember(manifest)
    }
    const committed = committedOf(next)
    if (Option.isSome(committed)) return committed.value
    return yield* new TableBroken({ file: tableFolder, reason: "lost its current snapshot" })
  })

  const prepare = (id: bigint, sequenceNumber: number, formed: ReadonlyArray<ManifestStore.Formed>) =>
    formed.flatMap(({ entries, form }) => inParts(entries).map((part) => store.prepare(id, sequenceNumber, part, form)))

  /** Those of the current manifests that still have files. */
  const manifestsNow = () => (current?.manifests ?? []).filter((manifest) => liveFiles(manifest) > 0)

  /** Adds data files, written but not yet synced, together with the progress. */
  const append = Effect.fn("TableCommits.append")(
    function* (files: ReadonlyArray<Manifest.DataFile>, progress: Progress) {
      const { id, sequenceNumber } = yield* newSnapshot
      const manifests = manifestsNow()
      const merged = toMerge(manifests.filter((manifest) => !fixed.has(manifest.manifest_path)))
      const moved = yield* store.liveEntries(merged)
      const fresh = { form: Manifest.ownForm, entries: files.map((data_file) => newEntry(id, data_file, null)) }
      return yield* advance(
        id,
        { operation: "append", added: files, removed: [], progress },
        manifests.filter((manifest) => !merged.includes(manifest)),
        prepare(id, sequenceNumber, [
          ...moved.map(({ entries, form }) => ({ form, entries: entries.map(existing) })),
          fresh
        ]),
        files.map((file) => file.file_path)
      )
    },
    Effect.uninterruptible,
    oneAtATime.withPermit
  )

  /** Puts durable data files in the place of live ones with the same rows, which were read at `startSequence`; none if these are not as they were. */
  const replace = Effect.fn("TableCommits.replace")(
    function* (removed: ReadonlyArray<LiveFile>, added: ReadonlyArray<Manifest.DataFile>, startSequence: number) {
      if (current === undefined) return yield* new TableBroken({ file: tableFolder, reason: "has nothing to replace" })
      const progress = Option.map(committedOf(current), (committed) => committed.progress)
      if (Option.isNone(progress)) {
        return yield* new TableBroken({ file: tableFolder, reason: "lost its current snapshot" })
      }
      // Another engine has changed or taken some of them since: what was read of them is no longer what they have.
      if (!removed.every((file) => live.isWhole(file))) return Option.none<Committed>()
      const { id, sequenceNumber } = yield* newSnapshot
      const gone = new Set(removed.map((file) => file.path))
      const touched = new Set(removed.map((file) => live.get(file.ts, file.path)?.manifest))
      const manifests = manifestsNow()
      const before = yield* store.liveEntries(manifests.filter((manifest) => touched.has(manifest.manifest_path)))
      const isGone = (entry: Manifest.ManifestEntry) => gone.has(pathOf(entry.data_file.file_path))
      const next = before.map(({ entries, form }) => ({
        form,
        entries: entries.map((entry) =>
          isGone(entry) ? { ...entry, status: Manifest.status.deleted, snapshot_id: id } : existing(entry)
        )
      }))
      const fresh = {
        form: Manifest.ownForm,
        entries: added.map((data_file) => newEntry(id, data_file, startSequence))
      }
      const removedFiles = before.flatMap(({ entries }) => entries.filter(isGone).map((entry) => entry.data_file))
      if (removedFiles.length !== gone.size) {
        return yield* new TableBroken({ file: tableFolder, reason: "lost data files that were to be merged" })
      }
      const committed = yield* advance(
        id,
        { operation: "replace", added, removed: removedFiles, progress: progress.value },
        manifests.filter((manifest) => !touched.has(manifest.manifest_path)),
        prepare(id, sequenceNumber, [...next, fresh]),
        []
      )
      return Option.some(committed)
    },
    Effect.uninterruptible,
    oneAtATime.withPermit
  )

  /** Adds data files, written but not yet synced, in the place of all that are there, together with the progress. */
  const overwrite = Effect.fn("TableCommits.overwrite")(
    function* (added: ReadonlyArray<Manifest.DataFile>, progress: Progress) {
      const { id, sequenceNumber } = yield* newSnapshot
      const before = yield* store.liveEntries(manifestsNow())
      const next = before.map(({ entries, form }) => ({
        form,
        entries: entries.map((entry) => ({ ...entry, status: Manifest.status.deleted, snapshot_id: id }))
      }))
      const fresh = { form: Manifest.ownForm, entries: added.map((data_file) => newEntry(id, data_file, null)) }
      const removed = before.flatMap(({ entries }) =>
        entries.map((entry) => entry.data_file).filter((file) => file.content === Manifest.content.data)
      )
      return yield* advance(
        id,
        { operation: "overwrite", added, removed, progress },
        [],
        prepare(id, sequenceNumber, [...next, fresh]),
        added.map((file) => file.file_path)
      )
    },
    Effect.uninterruptible,
    oneAtATime.withPermit
  )

  /** Drops snapshots beyond those to keep from the metadata, if there are any: a commit does so too. */
  const trim = Effect.gen(function* () {
    if (current === undefined || current.metadata.snapshots.length <= options.snapshotKeep) return
    const { version, highest, manifests } = current
    const now = yield* Clock.currentTimeMillis
    const metadata = Snapshots.withoutOld(current.metadata, version, now, options.snapshotKeep)
    const next = highest + 1
    yield* publish({ tableFolder, writer, version: next, metadata, files: [], dataFiles: [] })
    takeOver({ version: next, highest: next, metadata, manifests })
  }).pipe(Effect.uninterruptible, oneAtATime.withPermit)

  return {
    live,
    /** Other programs have changed the columns, so that a data file may have others than Floe's. */
    hasOwnColumns: () => current === undefined || Metadata.hasOwnColumns(current.metadata),
    append,
    replace,
    overwrite,
    trim,
    committed: () => (current === undefined ? Option.none<Committed>() : committedOf(current)),
    metadata: () => current?.metadata,
    /** Snapshots that have left the metadata, oldest first, until their files are removed. */
    expired,
    /** Metadata files that the metadata log names no more, until they are removed. */
    oldMetadata
  }
})
export type TableCommits = Effect.Success<ReturnType<typeof make>>
