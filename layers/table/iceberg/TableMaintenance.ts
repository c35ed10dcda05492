/** Maintains one table in bounded pieces: expires snapshots, removes files, merges small files. */
import { Clock, Effect } from "effect"
import type { Maintained } from "../../../services/TableWriter.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import type { ParquetWriter } from "../parquet/ParquetWriter.ts"
import { mayGrow } from "../schema/partitionKey.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import { compact } from "./compact.ts"
import { inOnePiece, toCompact } from "./compactionPlan.ts"
import type * as Removal from "./Removal.ts"
import type { TableCommits } from "./TableCommits.ts"

export interface TableMaintenanceOptions {
  readonly tableFolder: string
  readonly spec: TableSpec
  readonly writer: string
  readonly parquet: ParquetWriter
  readonly commits: TableCommits
  readonly removal: Effect.Success<ReturnType<typeof Removal.make>>
}

/** A partition that got no rows for this long no longer grows. */
export const quietMillis = 5 * 60 * 1000

export const make = ({ tableFolder, spec, writer, parquet, commits, removal }: TableMaintenanceOptions) => {
  /** Partitions that may have files to merge, with the time of the last append to them (monotonic clock, ms). */
  const candidates = new Map<string, number | undefined>(commits.active.keys.map((partition) => [partition, undefined]))
  /** Data files with columns that Floe does not write: a merge would lose them. */
  const wide = new Set<string>()
  let foreignCommits = commits.foreignCommits()

  const addForeignPartitions = Effect.sync(() => {
    if (foreignCommits === commits.foreignCommits()) return
    foreignCommits = commits.foreignCommits()
    for (const partition of commits.active.keys) {
      if (!candidates.has(partition)) candidates.set(partition, undefined)
    }
  })

  const chooseFiles = Effect.gen(function* () {
    const millis = yield* Clock.currentTimeMillis
    const now = yield* monotonicMillis
    const perPartition = []
    for (const [partition, lastAppend] of candidates) {
      const growing = lastAppend === undefined ? mayGrow(spec, partition, millis) : now - lastAppend < quietMillis
      const own = commits.active.wholeOf(partition).filter((file) => !wide.has(file.path))
      const files = toCompact(own, growing)
      if (files.length > 0) perPartition.push(files)
      else if (!growing) candidates.delete(partition)
    }
    return inOnePiece(perPartition)
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

  return {
    /** Must be called after every append. `now` is in milliseconds of the monotonic clock. */
    appended: (partitions: ReadonlySet<string>, now: number) => {
      for (const partition of partitions) candidates.set(partition, now)
    },
    maintain: Effect.gen(function* () {
      yield* commits.expireSnapshots
      const { snapshotsExpired, filesRemoved } = yield* removal
      yield* addForeignPartitions
      const files = yield* chooseMergeable
      const filesWritten = files.length === 0 ? 0 : yield* compact(tableFolder, writer, parquet, commits, files)
      const done: Maintained = { filesCompacted: files.length, filesWritten, snapshotsExpired, filesRemoved }
      return done
    }).pipe(Effect.withSpan("TableWriter.maintain"))
  }
}
