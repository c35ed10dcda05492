/** What upkeep would do to a table at this moment, found without changing anything. */
import { stat } from "node:fs/promises"
import { Clock, Effect, Option } from "effect"
import type { MaintenancePlan } from "../../../services/Maintenance.ts"
import { hourOf } from "../../../services/Weather.ts"
import * as Files from "../../runtime/files.ts"
import { type ActiveFile, ActiveFiles } from "./ActiveFiles.ts"
import { toCompact } from "./compaction.ts"
import { findOrphans, namedBy } from "./findOrphans.ts"
import { stillWaiting } from "./LeftFiles.ts"
import * as Metadata from "./Metadata.ts"
import { namedLists } from "./MetadataFiles.ts"
import { readEntries } from "./readTable.ts"
import { metadataOf } from "./SnapshotLease.ts"
import { type Retention, withoutOld } from "./snapshots.ts"
import { quietMillis } from "./Upkeep.ts"

/** A running sink may be about to commit a file that nobody names yet. */
const freshMillis = 60_000

const sum = (files: ReadonlyArray<{ readonly bytes: number }>) => files.reduce((bytes, file) => bytes + file.bytes, 0)

/** Merges on paper until there is nothing more to merge; a file that would be merged twice counts once. */
const compaction = (files: ReadonlyArray<ActiveFile>, growing: boolean) => {
  let now = files
  let into = 0
  const merged = new Set<ActiveFile>()
  for (;;) {
    const chosen = toCompact(now, growing)
    if (chosen.length === 0) return { merged: files.filter((file) => merged.has(file)), into }
    for (const file of chosen) {
      if (merged.has(file) || files.includes(file)) merged.add(file)
      else into--
    }
    const [first] = chosen
    if (first === undefined) return { merged: [], into }
    into++
    const one = {
      ...first,
      path: `${first.path}+`,
      rows: chosen.reduce((rows, file) => rows + file.rows, 0),
      bytes: sum(chosen)
    }
    now = [...now.filter((file) => !chosen.includes(file)), one]
  }
}

/** Sizes of files; one that is gone meanwhile is left out. */
const sizesOf = (paths: Iterable<string>) =>
  Effect.forEach(
    paths,
    (path) =>
      Files.attempt("looking at a file", () => stat(path)).pipe(
        Effect.map(({ mtimeMs, size }) => [{ bytes: size, modifiedAt: mtimeMs }]),
        Effect.catchIf(Files.isMissing, () => Effect.succeed([]))
      ),
    { concurrency: 16 }
  ).pipe(Effect.map((found) => found.flat()))

/** Tried again when a snapshot expires while it is looked at. */
export const plan = Effect.fn("MaintenancePlan.plan")(
  function* (tableFolder: string, retention: Retention, fileGrace: number) {
    const now = yield* Clock.currentTimeMillis
    const metadata = yield* metadataOf(tableFolder)
    const { location, snapshots } = metadata
    const current = Metadata.currentSnapshot(metadata)
    const entries = current === undefined ? [] : yield* readEntries(tableFolder, { metadata, snapshot: current })
    const live = new ActiveFiles()
    for (const { entry, manifest } of entries) live.learn(manifest, [entry])
    const still = hourOf(now - quietMillis)
    const merges = live.hours.map((ts) => compaction(live.wholeOf(ts), ts >= still))
    const merged = merges.flatMap((merge) => merge.merged)

    const thinner = Option.getOrElse(withoutOld(metadata, "", now, retention), () => metadata)
    const gone = snapshots.filter((one) => !thinner.snapshots.includes(one))
    const filesOf = (some: ReadonlyArray<Metadata.Snapshot>) =>
      namedBy(
        tableFolder,
        some.map((snapshot) => ({ snapshot, location }))
      )
    const kept = yield* filesOf(gone.length === 0 ? [] : thinner.snapshots)
    const had = yield* filesOf(gone)
    const expired = [...had].filter((path) => !kept.has(path))
    const lists = yield* namedLists(tableFolder)
    const waiting = yield* stillWaiting(tableFolder, fileGrace)
    const orphans = (yield* findOrphans(tableFolder, undefined, lists, () => false)).filter(
      (path) => !waiting.has(path)
    )
    const old = (yield* sizesOf(orphans)).filter(({ modifiedAt }) => modifiedAt < now - freshMillis)

    const found: MaintenancePlan = {
      compact: {
        partitions: merges.filter((merge) => merge.merged.length > 0).length,
        files: merged.length,
        bytes: sum(merged),
        into: merges.reduce((into, merge) => into + merge.into, 0)
      },
      expire: {
        snapshots: gone.length,
        files: expired.length,
        bytes: sum(yield* sizesOf(expired))
      },
      remove: { files: old.length, bytes: sum(old) }
    }
    return found
  },
  Effect.retry({ times: 3, while: (error) => error._tag === "TableBroken" })
)
