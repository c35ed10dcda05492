/**
 * Removing files: those that left the table, when their time is over; metadata files beyond those that stay; what a crash
 * left behind. Nothing is removed that any metadata file on disk names, and nothing at all while one cannot be read.
 */
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { Leases } from "../../../services/Leases.ts"
import { type TableBroken, TableUnavailable } from "../../../services/Table.ts"
import * as Files from "../../runtime/files.ts"
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
  readonly writer: string
  readonly commits: TableCommits
  readonly left: LeftFiles
  /** So many metadata files before the current one stay. */
  readonly metadataKeep: number
  /** Runs it while no data file is being written for a commit. */
  readonly whileNotStaging: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** About as many files are removed in one piece, and so many snapshots looked at. */
const pieceFiles = 256
const pieceSnapshots = 32

export const make = Effect.fnUntraced(function* (options: RemovalOptions) {
  const leases = yield* Leases
  const { commits, left, metadataKeep, tableFolder, writer } = options
  const expiry = Expiry.make(tableFolder)
  /** The metadata files on disk, oldest first; unknown after the start and after each commit of others. */
  let onDisk: Array<{ readonly version: number; readonly name: string }> | undefined
  let foreignCommits = commits.foreignCommits()
  /** All of them have been read. */
  let surveyed = false
  let forgottenNoted = false
  let warned: string | undefined

  const isCurrent = ({ data_file: { file_path, partition } }: ManifestEntry) =>
    typeof partition.ts === "string" && commits.active.get(partition.ts, pathOf(file_path)) !== undefined

  const keptIds = () => new Set(commits.metadata()?.snapshots.map((one) => String(one["snapshot-id"])))

  const note = Effect.fnUntraced(function* ({ snapshot, version }: Dropped, others: ReadonlyArray<Dropped>) {
    const stay = [...others.map((other) => other.snapshot), ...(commits.metadata()?.snapshots ?? [])]
    yield* left.add(yield* expiry.leftWith(snapshot, stay, isCurrent), version, snapshot["snapshot-id"])
  })

  /** Notes what leaves the table with some of the snapshots that have left the metadata; the answer is their number. */
  const noteDropped = Effect.gen(function* () {
    for (let noted = 0; noted < pieceSnapshots; noted++) {
      const [oldest, ...others] = commits.dropped()
      if (oldest === undefined) return noted
      yield* note(oldest, others)
      commits.forgetDropped(oldest)
    }
    return pieceSnapshots
  })

  /** What a writer that died could not note: snapshots that have left the metadata, and files that were never in the table. */
  const noteForgotten = Effect.gen(function* () {
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

  /** Reads all metadata files, once they may be others than those that Floe has written. */
  const survey = Effect.gen(function* () {
    if (surveyed) return
    if (yield* left.forgetFrom(keptIds())) forgottenNoted = false
    if (forgottenNoted) yield* namedLists(tableFolder)
    else yield* noteForgotten
    forgottenNoted = true
    surveyed = true
  })

  /** A file that only an older snapshot needs may be damaged: then what would be removed cannot be told, and stays. */
  const blocked = (error: TableBroken) =>
    Effect.gen(function* () {
      if (warned !== error.message)
        yield* Effect.logWarning(`${error.message} Files that have left the table stay on disk; floe doctor says more.`)
      warned = error.message
      return undefined
    })

  const removeOldMetadata = Effect.fnUntraced(function* (files: Array<{ readonly name: string }>) {
    const old = files.slice(0, Math.min(pieceFiles, Math.max(0, files.length - metadataKeep - 1)))
    yield* Effect.forEach(old, ({ name }) => Files.removeWithChecksum(join(tableFolder, "metadata", name)))
    files.splice(0, old.length)
    return old.length
  })

  /** The snapshots that running queries hold. Nobody new can hold one that the committed metadata no longer have. */
  const heldNow = leases.held.pipe(
    Effect.mapError((cause) => new TableUnavailable({ operation: "expiring snapshots", reason: cause.message, cause }))
  )

  const removeLeft = Effect.fnUntraced(function* (oldest: number) {
    if (!(yield* left.isDue)) return 0
    const held = yield* heldNow
    const kept = keptIds()
    // What a query reads that began before this writer: it is not known which files those are.
    if ([...held].some((id) => !kept.has(id) && !left.has(id))) return 0
    const removed = yield* left.remove(pieceFiles, oldest, held)
    for (const folder of new Set(removed.filter((path) => path.endsWith(".parquet")).map(dirname))) {
      yield* options.whileNotStaging(Files.removeEmpty(folder))
    }
    return removed.length
  })

  /** One bounded piece of it. */
  return Effect.gen(function* () {
    if (commits.metadata() === undefined) return { snapshotsExpired: 0, filesRemoved: 0 }
    const files = yield* listed
    // Also while one cannot be read: until it is among the oldest, and goes.
    const metadataRemoved = yield* removeOldMetadata(files)
    const noted = Effect.andThen(noteDropped, (expired) => Effect.as(survey, expired))
    const snapshotsExpired = yield* Effect.catchTag(noted, "TableBroken", blocked)
    if (snapshotsExpired === undefined) return { snapshotsExpired: 0, filesRemoved: metadataRemoved }
    const filesRemoved = metadataRemoved + (yield* removeLeft(files[0]?.version ?? 0))
    return { snapshotsExpired, filesRemoved }
  }).pipe(Effect.uninterruptible, Effect.withSpan("Removal"))
})
