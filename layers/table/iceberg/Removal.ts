/**
 * Removes files: those that left the table once their grace period is over, surplus metadata files, and what a crash left
 * behind. It removes nothing that a metadata file on disk names, and nothing at all while one cannot be read.
 */
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { Leases } from "../../../services/Leases.ts"
import { type TableBroken, TableUnavailable } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"
import { keyOf } from "../schema/partitionKey.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import type { Dropped } from "./CurrentTable.ts"
import * as Expiry from "./Expiry.ts"
import { findOrphans } from "./findOrphans.ts"
import type { LeftFiles } from "./LeftFiles.ts"
import type { ManifestEntry } from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import { listFiles, namedLists } from "./MetadataFiles.ts"
import { pathOf } from "./paths.ts"
import type { TableCommits } from "./TableCommits.ts"

export interface RemovalOptions {
  readonly tableFolder: string
  readonly spec: TableSpec
  readonly writer: string
  readonly commits: TableCommits
  readonly left: LeftFiles
  /** How many metadata files before the current one are kept. */
  readonly metadataKeep: number
  /** Runs an effect while no data file is being written for a commit. */
  readonly whileNotStaging: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** One piece removes about this many files, and reads at most this many snapshots. */
const maxFiles = 256
const maxSnapshots = 32

export const make = Effect.fnUntraced(function* (options: RemovalOptions) {
  const leases = yield* Leases
  const { commits, left, metadataKeep, spec, tableFolder, writer } = options
  const expiry = Expiry.make(tableFolder, spec)
  /** The metadata files on disk, oldest first; undefined at the start and after a commit of another program. */
  let onDisk: Array<{ readonly version: number; readonly name: string }> | undefined
  let foreignCommits = commits.foreignCommits()
  let surveyed = false
  let leftoversNoted = false
  let warned: string | undefined

  const isCurrent = ({ data_file: { file_path, partition } }: ManifestEntry) =>
    commits.active.get(keyOf(spec, partition), pathOf(file_path)) !== undefined

  const keptIds = () => new Set(commits.metadata()?.snapshots.map((one) => String(one["snapshot-id"])))

  const note = Effect.fnUntraced(function* ({ snapshot, version }: Dropped, others: ReadonlyArray<Dropped>) {
    const kept = [...others.map((other) => other.snapshot), ...(commits.metadata()?.snapshots ?? [])]
    yield* left.add(yield* expiry.leftWith(snapshot, kept, isCurrent), version, snapshot["snapshot-id"])
  })

  /** Records the files that leave the table with dropped snapshots. Returns how many snapshots it has handled. */
  const noteDropped = Effect.gen(function* () {
    for (let noted = 0; noted < maxSnapshots; noted++) {
      const [oldest, ...others] = commits.dropped()
      if (oldest === undefined) return noted
      yield* note(oldest, others)
      commits.forgetDropped(oldest)
    }
    return maxSnapshots
  })

  /** What an earlier writer could not record before it died: dropped snapshots, and files that were never committed. */
  const noteLeftovers = Effect.gen(function* () {
    const metadata = commits.metadata()
    const lists = yield* namedLists(tableFolder)
    const waiting = new Set(left.paths())
    const known = new Set((metadata?.snapshots ?? []).map((one) => one["snapshot-id"]))
    for (const { snapshot } of commits.dropped()) known.add(snapshot["snapshot-id"])
    for (const { list, location, snapshot } of lists) {
      if (known.has(snapshot["snapshot-id"]) || waiting.has(list) || location !== metadata?.location) continue
      yield* note({ snapshot, version: commits.version() }, commits.dropped())
    }
    const orphans = yield* findOrphans(tableFolder, writer, lists, (one) => known.has(one["snapshot-id"]))
    yield* left.add(
      orphans.filter((path) => !waiting.has(path)),
      0,
      undefined
    )
  })

  const listed = Effect.gen(function* () {
    if (foreignCommits !== commits.foreignCommits()) onDisk = undefined
    foreignCommits = commits.foreignCommits()
    if (onDisk === undefined) {
      onDisk = (yield* listFiles(tableFolder)).toReversed()
      surveyed = false
    }
    const newest = onDisk.at(-1)?.version ?? 0
    for (let version = newest + 1; version <= commits.version(); version++) {
      onDisk.push({ version, name: Metadata.fileName(version) })
    }
    return onDisk
  })

  const survey = Effect.gen(function* () {
    if (surveyed) return
    if (yield* left.forgetFrom(keptIds())) leftoversNoted = false
    if (leftoversNoted) yield* namedLists(tableFolder)
    else yield* noteLeftovers
    leftoversNoted = true
    surveyed = true
  })

  /** If a file that only an older snapshot needs is damaged, it is unknown which files are unneeded, and all stay. */
  const blocked = (error: TableBroken) =>
    Effect.gen(function* () {
      if (warned !== error.message)
        yield* Effect.logWarning(
          `${error.message} Files that left the table stay on disk until this is fixed; run floe doctor.`
        )
      warned = error.message
      return undefined
    })

  const removeOldMetadata = Effect.fnUntraced(function* (files: Array<{ readonly name: string }>) {
    const old = files.slice(0, Math.min(maxFiles, Math.max(0, files.length - metadataKeep - 1)))
    yield* Effect.forEach(old, ({ name }) => Files.removeWithChecksum(join(tableFolder, "metadata", name)))
    files.splice(0, old.length)
    return old.length
  })

  /** The leased snapshots. Once metadata without a snapshot are committed, no new query can lease it. */
  const heldNow = leases.held.pipe(
    Effect.mapError((cause) => new TableUnavailable({ operation: "expiring snapshots", reason: cause.message, cause }))
  )

  const removeLeft = Effect.fnUntraced(function* (oldest: number) {
    if (!(yield* left.isDue)) return 0
    const held = yield* heldNow
    const kept = keptIds()
    // A query that started before this writer holds a snapshot whose files are unknown.
    if ([...held].some((id) => !kept.has(id) && !left.has(id))) return 0
    const removed = yield* left.remove(maxFiles, oldest, held)
    for (const folder of new Set(removed.filter((path) => path.endsWith(".parquet")).map(dirname))) {
      yield* options.whileNotStaging(Files.removeEmpty(folder))
    }
    return removed.length
  })

  return Effect.gen(function* () {
    if (commits.metadata() === undefined) return { snapshotsExpired: 0, filesRemoved: 0 }
    const files = yield* listed
    // Also while a metadata file cannot be read: it is removed once it is among the oldest.
    const metadataRemoved = yield* removeOldMetadata(files)
    const noted = Effect.andThen(noteDropped, (expired) => Effect.as(survey, expired))
    const snapshotsExpired = yield* Effect.catchTag(noted, "TableBroken", blocked)
    if (snapshotsExpired === undefined) return { snapshotsExpired: 0, filesRemoved: metadataRemoved }
    const filesRemoved = metadataRemoved + (yield* removeLeft(files[0]?.version ?? 0))
    return { snapshotsExpired, filesRemoved }
  }).pipe(Effect.uninterruptible, Effect.withSpan("Removal"))
})
