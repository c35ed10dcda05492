/** Upkeep of one table in bounded pieces: expiry, orphans, compaction. */
import { dirname } from "node:path"
import { Clock, Effect } from "effect"
import type { Leases } from "../../services/Leases.ts"
import { TableBroken, type Upkeep } from "../../services/Table.ts"
import { hourOf } from "../../services/Weather.ts"
import type { ParquetWriter } from "../duckdb/ParquetWriter.ts"
import { monotonicMillis } from "../runtime/elapsed.ts"
import { compact, piece, toCompact } from "./Compaction.ts"
import { expire, heldNow, pieceFiles } from "./Expiry.ts"
import * as Files from "./Files.ts"
import { findOrphans } from "./Orphans.ts"
import type { TableCommits } from "./TableCommits.ts"

export interface UpkeepOptions {
  readonly tableFolder: string
  readonly writer: string
  readonly leases: Leases["Service"]
  readonly parquet: ParquetWriter
  readonly commits: TableCommits
  /** Runs it while no data file is being written for a commit. */
  readonly whileNotStaging: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** A partition to which nothing was added for as long no longer grows. */
export const quietMillis = 5 * 60 * 1000

export const make = (options: UpkeepOptions) => {
  const { tableFolder, writer, leases, parquet, commits } = options
  /** Partitions in which there may be something to merge, with the time of the last append to them, by the monotonic clock. */
  const candidates = new Map<string, number | undefined>(commits.live.hours.map((ts) => [ts, undefined]))
  let orphans: Array<string> | undefined
  /** Data files with columns that Floe does not write: a copy by Floe would lose them. */
  const wide = new Set<string>()

  const removeOrphans = Effect.gen(function* () {
    const committed = commits.committed()
    const metadata = commits.metadata()
    if (orphans === undefined) {
      if (committed._tag === "None" || metadata === undefined || commits.expired.length > 0) return 0
      const kept = new Set(metadata.snapshots.map((snapshot) => String(snapshot["snapshot-id"])))
      const held = yield* heldNow(leases)
      // A query may still read a snapshot that expired before this writer started.
      if ([...held].some((id) => !kept.has(id))) return 0
      orphans = yield* findOrphans(tableFolder, writer, committed.value.version, metadata)
    }
    const some = orphans.slice(0, pieceFiles)
    const removed = yield* Effect.forEach(some, Files.remove, { concurrency: 8 })
    for (const folder of new Set(some.filter((path) => path.endsWith(".parquet")).map(dirname))) {
      yield* options.whileNotStaging(Files.removeEmpty(folder))
    }
    orphans.splice(0, some.length)
    return removed.filter(Boolean).length
  })

  const chooseFiles = Effect.gen(function* () {
    const hour = hourOf(yield* Clock.currentTimeMillis)
    const now = yield* monotonicMillis
    const work = []
    for (const [ts, lastAppend] of candidates) {
      const growing = lastAppend === undefined ? ts >= hour : now - lastAppend < quietMillis
      const own = commits.live.wholeOf(ts).filter((file) => !wide.has(file.path))
      const files = toCompact(own, growing)
      if (files.length > 0) work.push(files)
      else if (!growing) candidates.delete(ts)
    }
    return piece(work)
  })

  const chooseMergeable = Effect.gen(function* () {
    for (;;) {
      const files = yield* chooseFiles
      if (files.length === 0 || commits.hasOwnColumns()) return files
      const mergeable = new Set(yield* parquet.withOwnColumns(files))
      if (mergeable.size === files.length) return files
      for (const file of files) if (!mergeable.has(file)) wide.add(file.path)
    }
  })

  /** A file that only an older snapshot needs may be damaged: then what would be removed cannot be told, and stays. */
  let told = false
  const orKeep = <A, E>(nothing: A, removing: Effect.Effect<A, TableBroken | E>) =>
    Effect.catchIf(
      removing,
      (error): error is TableBroken => error instanceof TableBroken,
      (error) => {
        if (told) return Effect.succeed(nothing)
        told = true
        return Effect.as(
          Effect.logWarning(`${error.message} Files that have left the table stay on disk; floe doctor says more.`),
          nothing
        )
      }
    )

  return {
    /** To be told of every append, with the partitions that it touched and the time by the monotonic clock. */
    appended: (partitions: ReadonlySet<string>, now: number) => {
      for (const ts of partitions) candidates.set(ts, now)
    },
    maintain: Effect.gen(function* () {
      yield* commits.trim
      const { snapshotsExpired, filesRemoved } = yield* orKeep(
        { snapshotsExpired: 0, filesRemoved: 0 },
        expire(tableFolder, commits, leases)
      )
      const orphansRemoved = yield* orKeep(0, removeOrphans)
      const files = yield* chooseMergeable
      const filesWritten = files.length === 0 ? 0 : yield* compact(tableFolder, writer, parquet, commits, files)
      const upkeep: Upkeep = {
        filesCompacted: files.length,
        filesWritten,
        snapshotsExpired,
        filesRemoved: filesRemoved + orphansRemoved
      }
      return upkeep
    }).pipe(Effect.withSpan("TableWriter.maintain"))
  }
}
