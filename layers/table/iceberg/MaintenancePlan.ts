/** What maintenance would do to a table now, without changing anything. */
import { stat } from "node:fs/promises"
import { Clock, Effect, Option } from "effect"
import type { MaintenancePlan } from "../../../services/Maintenance.ts"
import * as Files from "../../runtime/files.ts"
import { mayGrow } from "../schema/partitionKey.ts"
import { type TableSpec, weather } from "../schema/TableSpec.ts"
import { ActiveFiles } from "./ActiveFiles.ts"
import { mergesOf } from "./compactionPlan.ts"
import { findOrphans, namedBy } from "./findOrphans.ts"
import { stillWaiting } from "./LeftFiles.ts"
import * as Metadata from "./Metadata.ts"
import { namedLists } from "./MetadataFiles.ts"
import { readEntries } from "./readManifests.ts"
import { metadataOf } from "./SnapshotLease.ts"
import { type Retention, withoutOld } from "./snapshots.ts"
import { quietMillis } from "./TableMaintenance.ts"

/** A running sink may be about to commit a younger file, which no metadata file names yet. */
const minOrphanMillis = 60_000

const sum = (files: ReadonlyArray<{ readonly bytes: number }>) => files.reduce((bytes, file) => bytes + file.bytes, 0)

const sizesOf = (paths: Iterable<string>) =>
  Effect.forEach(
    paths,
    (path) =>
      Files.attempt("reading a file's size", () => stat(path)).pipe(
        Effect.map(({ mtimeMs, size }) => [{ bytes: size, modifiedAt: mtimeMs }]),
        Effect.catchIf(Files.isMissing, () => Effect.succeed([]))
      ),
    { concurrency: 16 }
  ).pipe(Effect.map((sizes) => sizes.flat()))

/** Retried if a snapshot expires while it is read. */
export const plan = Effect.fn("MaintenancePlan.plan")(
  function* (tableFolder: string, retention: Retention, fileGrace: number, spec: TableSpec = weather) {
    const now = yield* Clock.currentTimeMillis
    const metadata = yield* metadataOf(tableFolder)
    const { location, snapshots } = metadata
    const current = Metadata.currentSnapshot(metadata)
    const entries = current === undefined ? [] : yield* readEntries(tableFolder, { metadata, snapshot: current })
    const active = new ActiveFiles(spec)
    for (const { entry, manifest } of entries) active.learn(manifest, [entry])
    const merges = active.keys.map((partition) =>
      mergesOf(active.wholeOf(partition), mayGrow(spec, partition, now - quietMillis))
    )
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
    const old = (yield* sizesOf(orphans)).filter(({ modifiedAt }) => modifiedAt < now - minOrphanMillis)

    const result: MaintenancePlan = {
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
    return result
  },
  Effect.retry({ times: 3, while: (error) => error._tag === "TableBroken" })
)
