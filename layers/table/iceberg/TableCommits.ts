/**
 * One table's current version and how it goes on to the next: appends and replacements, one at a time.
 * Owns: versions, snapshots, manifests. Does not own: rows and Parquet files, which are there before they are committed.
 */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Clock, Effect, Option, Random, Semaphore } from "effect"
import { type Committed, type Progress, TableBroken, TableChanged, TableUnavailable } from "../../../services/Table.ts"
import { type ActiveFile, ActiveFiles } from "./ActiveFiles.ts"
import { commitMetadata, type Failpoint, VersionTaken } from "./commitMetadata.ts"
import * as LogProgress from "./logProgress.ts"
import * as Manifest from "./Manifest.ts"
import * as ManifestStore from "./ManifestStore.ts"
import * as Metadata from "./Metadata.ts"
import { type CurrentMetadata, looks, readMetadata } from "./MetadataFiles.ts"
import { fullManifest, liveFiles, toMerge } from "./manifestMerge.ts"
import { engineOf } from "./otherWriters.ts"
import { pathOf } from "./paths.ts"
import { readList } from "./readTable.ts"
import * as Snapshots from "./snapshots.ts"

export interface CommitOptions {
  /** The table's real folder, absolute. */
  readonly tableFolder: string
  /** Part of the name of every file that this writer makes. */
  readonly writer: string
  readonly retention: Snapshots.Retention
  readonly failpoint?: Failpoint | undefined
}

interface Version {
  readonly version: number
  /** The highest version that has a file. */
  readonly highest: number
  /** Of its metadata file. */
  readonly name: string
  /** Tells that file from any other that may take its name. */
  readonly identity: string | undefined
  readonly metadata: Metadata.TableMetadata
  readonly manifests: ReadonlyArray<Manifest.ManifestFile>
}

/** A snapshot that Floe has taken out of the metadata, and the first version without it. */
export interface Dropped {
  readonly snapshot: Metadata.Snapshot
  readonly version: number
}

/** So often in a row may another program be faster with a commit. */
const races = 20

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

const withoutProgress = (file: string) =>
  new TableBroken({
    file,
    reason: `does not tell how far the log is in the table, as another program has changed it; let that program make a snapshot current that Floe made, or rebuild the table (floe replay --into <table> --swap)`,
    unsupported: true
  })

const sameProgress = (one: Progress | undefined, other: Progress | undefined) =>
  one?.logId === other?.logId && one?.offset === other?.offset && one?.lastEvent === other?.lastEvent

export const make = Effect.fn("TableCommits.make")(function* (
  options: CommitOptions,
  opened: Option.Option<CurrentMetadata>
) {
  const { retention, tableFolder, writer } = options
  const metadataFolder = join(tableFolder, "metadata")
  const oneAtATime = yield* Semaphore.make(1)
  const store = ManifestStore.make(tableFolder, writer)
  let live = new ActiveFiles()
  let current: Version | undefined
  /** How often another program's commit was taken up. */
  let takenUp = 0
  let dropped: ReadonlyArray<Dropped> = []
  /** Manifests that cannot be rewritten. */
  const fixed = new Set<string>()

  /** Of what another engine has written only what can be written again in the same form. */
  const learn = (manifest: Manifest.ManifestFile, { entries, form }: ManifestStore.Formed) => {
    if (!Manifest.canCarryOver(form)) fixed.add(manifest.manifest_path)
    else live.learn(manifest, entries)
  }

  const take = Effect.fnUntraced(function* (found: CurrentMetadata) {
    const { highest, identity, metadata, name, snapshot, torn, version } = found
    const file = join(metadataFolder, name)
    for (const { file: path, reason } of torn) {
      yield* Effect.logWarning(`${path} ${reason}: it is left out, and its version is not used again.`)
    }
    const unfit = Metadata.whyUnwritable(metadata)
    if (unfit !== undefined) return yield* new TableBroken({ file, reason: unfit, unsupported: true })
    if (pathOf(metadata.location).replace(/\/$/, "") !== tableFolder) {
      return yield* new TableBroken({
        file,
        reason: `says that the table is in ${metadata.location}`,
        unsupported: true
      })
    }
    const manifests = yield* readList(tableFolder, metadata.location, snapshot["manifest-list"])
    const next: Version = { version, highest, name, identity, metadata, manifests }
    if (Option.isNone(committedOf(next))) return yield* withoutProgress(file)
    live = new ActiveFiles()
    fixed.clear()
    store.forgetAllBut(new Set(manifests.map((manifest) => manifest.manifest_path)))
    for (const manifest of manifests) {
      for (const formed of yield* store.liveEntries([manifest])) learn(manifest, formed)
    }
    current = next
    // Hadoop's rename may have put metadata over Floe's that still have what Floe's had no more.
    const back = new Set(metadata.snapshots.map((one) => one["snapshot-id"]))
    dropped = dropped.filter((one) => !back.has(one.snapshot["snapshot-id"]))
  })

  if (Option.isSome(opened)) yield* take(opened.value)

  /** Goes on from what another program has committed since, if any has. */
  const refresh = Effect.gen(function* () {
    const before = current
    if (before !== undefined && (yield* looks(tableFolder, before.name, before.highest)) === before.identity) return
    const found = yield* readMetadata(tableFolder)
    if (Option.isNone(found)) {
      if (before === undefined) return
      return yield* new TableBroken({ file: metadataFolder, reason: "was emptied while the sink was at work" })
    }
    yield* take(found.value)
    takenUp++
    const { snapshot } = found.value
    yield* Effect.logInfo(
      `The table was changed by ${engineOf(snapshot)}: version ${found.value.version}, snapshot ${snapshot["snapshot-id"]} (${Metadata.operationOf(snapshot)}). Floe goes on from there.`
    )
  })

  /** Does a step on the newest version, and again where another program was faster. */
  const onNewest = <A, E>(step: Effect.Effect<A, E | VersionTaken>) =>
    Effect.andThen(refresh, step).pipe(
      Effect.retry({ while: (error) => error instanceof VersionTaken, times: races }),
      Effect.catchIf(
        (error) => error instanceof VersionTaken,
        (cause) =>
          Effect.fail(
            new TableUnavailable({ operation: "committing", reason: "another program commits all the time", cause })
          )
      ),
      Effect.uninterruptible,
      oneAtATime.withPermit
    )

  /** Takes the new version over, and notes what has left the metadata with it. */
  const takeOver = (next: Version) => {
    const before = current
    current = next
    if (before === undefined) return
    const ids = new Set(next.metadata.snapshots.map((one) => one["snapshot-id"]))
    const gone = before.metadata.snapshots.filter((one) => !ids.has(one["snapshot-id"]))
    dropped = [...dropped, ...gone.map((snapshot) => ({ snapshot, version: next.version }))]
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
    const manifestList = join(metadataFolder, `snap-${id}-${writer}.avro`)
    const metadata = Snapshots.withSnapshot(
      { metadata: before?.metadata ?? Snapshots.firstMetadata(randomUUID(), tableFolder), name: before?.name },
      change,
      { id, manifestList, now: yield* Clock.currentTimeMillis },
      retention
    )
    const manifests = [...kept, ...added.map(({ described }) => described)]
    const parent = before?.metadata["current-snapshot-id"]
    const list = Manifest.encodeList({ id, parent, sequenceNumber: metadata["last-sequence-number"] }, manifests)
    const version = (before?.highest ?? 0) + 1
    const files = [...added.map(({ file }) => file), { path: manifestList, bytes: list }]
    const { failpoint } = options
    const identity = yield* commitMetadata({ tableFolder, writer, version, metadata, files, dataFiles, failpoint })
    const next: Version = { version, highest: version, name: Metadata.fileName(version), identity, metadata, manifests }
    takeOver(next)
    for (const manifest of added) {
      learn(manifest.described, manifest)
      store.remember(manifest)
    }
    const committed = committedOf(next)
    if (Option.isSome(committed)) return committed.value
    return yield* new TableBroken({ file: tableFolder, reason: "lost its current snapshot" })
  })

  const progressNow = () => (current === undefined ? undefined : Option.getOrUndefined(committedOf(current))?.progress)

  /** Fails where the log is not in the table as far as it was when rows were staged that are to come behind it. */
  const expect = Effect.fnUntraced(function* (base: Progress | undefined) {
    const now = progressNow()
    if (now === undefined && current !== undefined) return yield* withoutProgress(join(metadataFolder, current.name))
    if (sameProgress(now, base)) return
    const offset = (progress: Progress | undefined) => (progress?.offset ?? 0).toLocaleString("en-US")
    return yield* new TableChanged({
      reason: `Another program changed the table: it now has the log up to offset ${offset(now)}, where Floe had committed it up to ${offset(base)}. The sink goes on from there, so that each event is in the table once.`
    })
  })

  const prepare = (id: bigint, sequenceNumber: number, formed: ReadonlyArray<ManifestStore.Formed>) =>
    formed.flatMap(({ entries, form }) => inParts(entries).map((part) => store.prepare(id, sequenceNumber, part, form)))

  /** Those of the current manifests that still have files. */
  const manifestsNow = () => (current?.manifests ?? []).filter((manifest) => liveFiles(manifest) > 0)

  /** Adds data files, written but not yet synced, together with the progress, if the table is still at `base`. */
  const append = Effect.fn("TableCommits.append")(function* (
    files: ReadonlyArray<Manifest.DataFile>,
    progress: Progress,
    base: Progress | undefined
  ) {
    yield* expect(base)
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
  }, onNewest)

  /** Puts durable data files in the place of live ones with the same rows, which were read at `startSequence`; none if these are not as they were. */
  const replace = Effect.fn("TableCommits.replace")(function* (
    removed: ReadonlyArray<ActiveFile>,
    added: ReadonlyArray<Manifest.DataFile>,
    startSequence: number
  ) {
    const progress = progressNow()
    if (progress === undefined) return yield* new TableBroken({ file: tableFolder, reason: "has nothing to replace" })
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
      { operation: "replace", added, removed: removedFiles, progress },
      manifests.filter((manifest) => !touched.has(manifest.manifest_path)),
      prepare(id, sequenceNumber, [...next, fresh]),
      []
    )
    return Option.some(committed)
  }, onNewest)

  /** Adds data files, written but not yet synced, in the place of all that are there, together with the progress. */
  const overwrite = Effect.fn("TableCommits.overwrite")(function* <E>(
    added: ReadonlyArray<Manifest.DataFile>,
    progress: Progress,
    allowed: Effect.Effect<void, E>
  ) {
    yield* allowed
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
  }, onNewest)

  /** Drops snapshots that need not be kept from the metadata, if there are any: a commit does so too. */
  const trim = Effect.gen(function* () {
    if (current === undefined) return
    const { highest, manifests, name } = current
    const thinner = Snapshots.withoutOld(current.metadata, name, yield* Clock.currentTimeMillis, retention)
    if (Option.isNone(thinner)) return
    const metadata = thinner.value
    const version = highest + 1
    const identity = yield* commitMetadata({ tableFolder, writer, version, metadata, files: [], dataFiles: [] })
    takeOver({ version, highest: version, name: Metadata.fileName(version), identity, metadata, manifests })
  }).pipe(onNewest)

  return {
    get live() {
      return live
    },
    /** Other programs have changed the columns, so that a data file may have others than Floe's. */
    hasOwnColumns: () => current === undefined || Metadata.hasOwnColumns(current.metadata),
    append,
    replace,
    overwrite,
    trim,
    verifyBase: (base: Progress | undefined) => onNewest(expect(base)),
    committed: () => (current === undefined ? Option.none<Committed>() : committedOf(current)),
    metadata: () => current?.metadata,
    /** N of the current `v<N>.metadata.json`; 0 before the first commit. */
    version: () => current?.version ?? 0,
    takenUp: () => takenUp,
    /** Oldest first, until what leaves the table with them is noted. */
    dropped: () => dropped,
    noted: (one: Dropped) => {
      dropped = dropped.filter((other) => other !== one)
    }
  }
})
export type TableCommits = Effect.Success<ReturnType<typeof make>>
