/** Upkeep of one table in bounded pieces: expiry, orphans, compaction. */
import { Clock, Effect } from "effect"
import type { Upkeep } from "../../../services/Table.ts"
import { hourOf } from "../../../services/Weather.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import type { ParquetWriter } from "../parquet/ParquetWriter.ts"
import { compact, piece, toCompact } from "./compaction.ts"
import type * as Removal from "./Removal.ts"
import type { TableCommits } from "./TableCommits.ts"

export interface UpkeepOptions {
  readonly tableFolder: string
  readonly writer: string
  readonly parquet: ParquetWriter
  readonly commits: TableCommits
  /** One piece of removing files. */
  readonly removal: Effect.Success<ReturnType<typeof Removal.make>>
}

/** A partition to which nothing was added for as long no longer grows. */
export const quietMillis = 5 * 60 * 1000

export const make = (options: UpkeepOptions) => {
  const { tableFolder, writer, parquet, commits, removal } = options
  /** Partitions in which there may be something to merge, with the time of the last append to them, by the monotonic clock. */
  const candidates = new Map<string, number | undefined>(commits.active.hours.map((ts) => [ts, undefined]))
  /** Data files with columns that Floe does not write: a copy by Floe would lose them. */
  const wide = new Set<string>()
  let foreignCommits = commits.foreignCommits()

  /** Another program may have added files anywhere. */
  const learn = Effect.sync(() => {
    if (foreignCommits === commits.foreignCommits()) return
    foreignCommits = commits.foreignCommits()
    for (const ts of commits.active.hours) if (!candidates.has(ts)) candidates.set(ts, undefined)
  })

  const chooseFiles = Effect.gen(function* () {
    const hour = hourOf(yield* Clock.currentTimeMillis)
    const now = yield* monotonicMillis
    const work = []
    for (const [ts, lastAppend] of candidates) {
      const growing = lastAppend === undefined ? ts >= hour : now - lastAppend < quietMillis
      const own = commits.active.wholeOf(ts).filter((file) => !wide.has(file.path))
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

  return {
    /** To be told of every append, with the partitions that it touched and the time by the monotonic clock. */
    appended: (partitions: ReadonlySet<string>, now: number) => {
      for (const ts of partitions) candidates.set(ts, now)
    },
    maintain: Effect.gen(function* () {
      yield* commits.expireSnapshots
      const { snapshotsExpired, filesRemoved } = yield* removal
      yield* learn
      const files = yield* chooseMergeable
      const filesWritten = files.length === 0 ? 0 : yield* compact(tableFolder, writer, parquet, commits, files)
      const upkeep: Upkeep = {
        filesCompacted: files.length,
        filesWritten,
        snapshotsExpired,
        filesRemoved
      }
      return upkeep
    }).pipe(Effect.withSpan("TableWriter.maintain"))
  }
}
