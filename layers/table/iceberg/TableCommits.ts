/**
 * The commits of one table, one at a time: appends, replacements, overwrites.
 * Owns: versions, snapshots, manifests. Does not own: rows and Parquet files, which exist before they are committed.
 */
import { join } from "node:path"
import { Clock, Effect, Option, Random, Semaphore } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import {
  type Committed,
  type Progress,
  TableBroken,
  TableChanged,
  TableUnavailable
} from "../../../services/TableWriter.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import type { ActiveFile } from "./ActiveFiles.ts"
import * as CurrentTable from "./CurrentTable.ts"
import { commitMetadata, type Failpoint, VersionTaken } from "./commitMetadata.ts"
import { evolved, specIn } from "./evolveSchema.ts"
import { type ContentFile, content, type ManifestEntry, type ManifestFile } from "./Manifest.ts"
import * as ManifestStore from "./ManifestStore.ts"
import * as Metadata from "./Metadata.ts"
import type { CurrentMetadata } from "./MetadataFiles.ts"
import { encodeList } from "./manifestCodec.ts"
import { added, carriedOver, type FormedEntries, perManifest } from "./manifestEntries.ts"
import * as ManifestFormat from "./manifestFormat.ts"
import { liveFiles, toMerge } from "./manifestMerge.ts"
import { pathOf } from "./paths.ts"
import * as Snapshots from "./snapshots.ts"

export interface CommitOptions {
  /** The table's real folder, absolute. */
  readonly tableFolder: string
  /** Part of the name of every file that this writer creates. */
  readonly writer: string
  readonly spec: TableSpec
  /** Is called when the table turns out to be of another version of the stream, or becomes so. */
  readonly onSpec: (spec: TableSpec) => void
  readonly retention: Snapshots.Retention
  readonly failpoint?: Failpoint | undefined
}

const maxLostRaces = 20

const isSameProgress = (one: Progress | undefined, other: Progress | undefined) =>
  one?.logId === other?.logId && one?.offset === other?.offset && one?.lastEvent === other?.lastEvent

interface Commit {
  readonly id: bigint
  readonly change: Snapshots.Change
  /** Current manifests that stay as they are. */
  readonly kept: ReadonlyArray<ManifestFile>
  /** The entries of new manifests. */
  readonly entries: ReadonlyArray<FormedEntries>
  /** Paths of data files that are written but not yet synced. */
  readonly unsynced: ReadonlyArray<string>
}

export const make = Effect.fn("TableCommits.make")(function* (
  options: CommitOptions,
  opened: Option.Option<CurrentMetadata>
) {
  const { failpoint, retention, tableFolder, writer } = options
  let { spec } = options
  const metadataFolder = join(tableFolder, "metadata")
  const oneAtATime = yield* Semaphore.make(1)
  const random = yield* SecureRandom.SecureRandom
  const store = ManifestStore.make(tableFolder, writer, () => spec)
  const adopt = (next: TableSpec) => {
    spec = next
    options.onSpec(next)
    return next
  }
  const table = CurrentTable.make(tableFolder, store, (metadata) =>
    metadata === undefined ? spec : adopt(specIn(metadata, spec))
  )
  if (Option.isSome(opened)) yield* table.load(opened.value)

  const onNewest = <A, E>(step: Effect.Effect<A, E | VersionTaken>) =>
    Effect.andThen(table.refresh, step).pipe(
      Effect.retry({ while: (error) => error instanceof VersionTaken, times: maxLostRaces }),
      Effect.catchIf(
        (error) => error instanceof VersionTaken,
        (cause) =>
          Effect.fail(
            new TableUnavailable({ operation: "committing", reason: "other programs keep committing first", cause })
          )
      ),
      Effect.uninterruptible,
      oneAtATime.withPermit
    )

  const newSnapshotId = Effect.gen(function* () {
    const snapshots = table.version?.metadata.snapshots ?? []
    for (;;) {
      const id = BigInt(yield* Random.nextIntBetween(1, Number.MAX_SAFE_INTEGER))
      if (!snapshots.some((snapshot) => snapshot["snapshot-id"] === id)) return id
    }
  })

  const firstMetadata = Effect.map(random.uuidV4(), (uuid) => Snapshots.firstMetadata(uuid, tableFolder, spec))

  const commitSnapshot = Effect.fnUntraced(function* ({ id, change, kept, entries, unsynced }: Commit) {
    const before = table.version
    const sequenceNumber = (before?.metadata["last-sequence-number"] ?? 0) + 1
    const newManifests = perManifest(entries).map((formed) => store.prepare(id, sequenceNumber, formed))
    const manifestList = join(metadataFolder, `snap-${id}-${writer}.avro`)
    const metadata = Snapshots.withSnapshot(
      { metadata: before?.metadata ?? (yield* firstMetadata), name: before?.name },
      change,
      { id, manifestList, now: yield* Clock.currentTimeMillis },
      retention
    )
    const manifests = [...kept, ...newManifests.map(({ described }) => described)]
    const list = encodeList({ id, parent: before?.metadata["current-snapshot-id"], sequenceNumber }, manifests)
    const version = (before?.highest ?? 0) + 1
    const files = [...newManifests.map(({ file }) => file), { path: manifestList, bytes: list }]
    const dataFiles = unsynced
    const identity = yield* commitMetadata({ tableFolder, writer, version, metadata, files, dataFiles, failpoint })
    table.advance(
      { version, highest: version, name: Metadata.fileName(version), identity, metadata, manifests },
      newManifests
    )
    const committed = table.committed()
    if (Option.isSome(committed)) return committed.value
    return yield* new TableBroken({ file: tableFolder, reason: "lost its current snapshot" })
  })

  const ownForm = () => ManifestFormat.ownForm(spec, Metadata.schemaIdOf(table.version?.metadata, spec))

  const currentProgress = () => Option.getOrUndefined(table.committed())?.progress

  /** Fails if the table no longer holds the log up to `base`, behind which rows were staged. */
  const verifyBase = Effect.fnUntraced(function* (base: Progress | undefined) {
    const now = currentProgress()
    if (now === undefined && table.version !== undefined) {
      return yield* CurrentTable.missingProgress(join(metadataFolder, table.version.name))
    }
    if (isSameProgress(now, base)) return
    const offset = (progress: Progress | undefined) => (progress?.offset ?? 0).toLocaleString("en-US")
    return yield* new TableChanged({
      reason: `Another program changed the table: it now holds the log up to offset ${offset(now)}, where Floe had committed it up to ${offset(base)}. The sink continues from there, so that each event is in the table once.`
    })
  })

  const nonEmptyManifests = () => (table.version?.manifests ?? []).filter((manifest) => liveFiles(manifest) > 0)

  /** Adds data files, written but not yet synced, together with the progress, if the table still holds the log up to `base`. */
  const append = Effect.fn("TableCommits.append")(function* (
    files: ReadonlyArray<ContentFile>,
    progress: Progress,
    base: Progress | undefined
  ) {
    yield* verifyBase(base)
    const id = yield* newSnapshotId
    const manifests = nonEmptyManifests()
    const merged = toMerge(manifests.filter((manifest) => !table.isFrozen(manifest)))
    const before = yield* store.liveEntries(merged)
    return yield* commitSnapshot({
      id,
      change: { operation: "append", added: files, removed: [], progress },
      kept: manifests.filter((manifest) => !merged.includes(manifest)),
      entries: [...carriedOver(id, before, () => false), added(ownForm(), id, files, null)],
      unsynced: files.map((file) => file.file_path)
    })
  }, onNewest)

  /**
   * Replaces live data files, which were read at `startSequence`, by durable ones with the same rows. None if any of them
   * has changed since.
   */
  const replace = Effect.fn("TableCommits.replace")(function* (
    replaced: ReadonlyArray<ActiveFile>,
    files: ReadonlyArray<ContentFile>,
    startSequence: number
  ) {
    const progress = currentProgress()
    if (progress === undefined) return yield* new TableBroken({ file: tableFolder, reason: "has nothing to replace" })
    if (!replaced.every((file) => table.active.isWhole(file))) return Option.none<Committed>()
    const id = yield* newSnapshotId
    const paths = new Set(replaced.map((file) => file.path))
    const touched = new Set(replaced.map((file) => table.active.get(file.partition, file.path)?.manifest))
    const manifests = nonEmptyManifests()
    const before = yield* store.liveEntries(manifests.filter((manifest) => touched.has(manifest.manifest_path)))
    const isReplaced = (entry: ManifestEntry) => paths.has(pathOf(entry.data_file.file_path))
    const removed = before.flatMap(({ entries }) => entries.filter(isReplaced).map((entry) => entry.data_file))
    if (removed.length !== paths.size) {
      return yield* new TableBroken({ file: tableFolder, reason: "lost data files that were to be merged" })
    }
    const committed = yield* commitSnapshot({
      id,
      change: { operation: "replace", added: files, removed, progress },
      kept: manifests.filter((manifest) => !touched.has(manifest.manifest_path)),
      entries: [...carriedOver(id, before, isReplaced), added(ownForm(), id, files, startSequence)],
      unsynced: []
    })
    return Option.some(committed)
  }, onNewest)

  /** Replaces all files of the table by data files, written but not yet synced, together with the progress. */
  const overwrite = Effect.fn("TableCommits.overwrite")(function* <E>(
    files: ReadonlyArray<ContentFile>,
    progress: Progress,
    allowed: Effect.Effect<void, E>
  ) {
    yield* allowed
    const id = yield* newSnapshotId
    const before = yield* store.liveEntries(nonEmptyManifests())
    const removed = before.flatMap(({ entries }) =>
      entries.map((entry) => entry.data_file).filter((file) => file.content === content.data)
    )
    return yield* commitSnapshot({
      id,
      change: { operation: "overwrite", added: files, removed, progress },
      kept: [],
      entries: [...carriedOver(id, before, () => true), added(ownForm(), id, files, null)],
      unsynced: files.map((file) => file.file_path)
    })
  }, onNewest)

  /** Drops the snapshots that retention no longer keeps, as each commit does too. */
  const expireSnapshots = Effect.gen(function* () {
    if (table.version === undefined) return
    const { highest, manifests, metadata: before, name } = table.version
    const thinner = Snapshots.withoutOld(before, name, yield* Clock.currentTimeMillis, retention)
    if (Option.isNone(thinner)) return
    const metadata = thinner.value
    const version = highest + 1
    const identity = yield* commitMetadata({ tableFolder, writer, version, metadata, files: [], dataFiles: [] })
    table.advance({ version, highest: version, name: Metadata.fileName(version), identity, metadata, manifests }, [])
  }).pipe(onNewest)

  /** Gives the table the columns of a later version of its stream; a table without metadata gets them with its first. */
  const evolve = Effect.fn("TableCommits.evolve")(function* (after: TableSpec) {
    if (table.version === undefined) return void adopt(after)
    const { highest, manifests, metadata: before, name } = table.version
    const change = evolved(before, spec, after)
    if (change._tag === "Unchanged") return
    if (change._tag === "Refused") {
      return yield* new TableBroken({ file: join(metadataFolder, name), reason: change.reason, unsupported: true })
    }
    const now = Math.max(yield* Clock.currentTimeMillis, before["last-updated-ms"])
    const metadata = Snapshots.withoutSnapshot({ ...change.metadata, "last-updated-ms": now }, before, name, retention)
    const version = highest + 1
    const next = { tableFolder, writer, version, metadata, files: [], dataFiles: [], failpoint }
    const identity = yield* commitMetadata(next)
    table.advance({ version, highest: version, name: Metadata.fileName(version), identity, metadata, manifests }, [])
    adopt(specIn(metadata, after))
  }, onNewest)

  return {
    evolve,
    get active() {
      return table.active
    },
    /** False if other programs have changed the columns: a data file may then have columns that Floe does not know. */
    hasOwnColumns: () => table.version === undefined || Metadata.hasOwnColumns(table.version.metadata, spec),
    append,
    replace,
    overwrite,
    expireSnapshots,
    verifyBase: (base: Progress | undefined) => onNewest(verifyBase(base)),
    committed: table.committed,
    metadata: () => table.version?.metadata,
    /** N of the current `v<N>.metadata.json`; 0 before the first commit. */
    version: () => table.version?.version ?? 0,
    foreignCommits: table.foreignCommits,
    dropped: table.dropped,
    forgetDropped: table.forgetDropped
  }
})
export type TableCommits = Effect.Success<ReturnType<typeof make>>
