/** Putting a table that a replay has made in place of `default.weather`: by the sink on request, or by who holds its lock. */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Effect, Option } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import { Leases } from "../../services/Leases.ts"
import { type Discards, RebuildRefused } from "../../services/Rebuild.ts"
import * as Files from "../runtime/files.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import { plural } from "../runtime/plural.ts"
import { describeUndone, discardFlag, undoneByRebuild } from "../table/duckdb/undoneByRebuild.ts"
import * as LogProgress from "../table/iceberg/logProgress.ts"
import { readMetadata } from "../table/iceberg/MetadataFiles.ts"
import * as RebuildMarker from "../table/iceberg/RebuildMarker.ts"
import type { SinkLoop } from "./SinkLoop.ts"

/** The argument of a request to the sink. */
export const toArgument = (table: string, { otherWriters }: Discards) =>
  otherWriters === true ? `${table} ${discardFlag}` : table

const fromArgument = (argument: string) => {
  const [table = "", flag] = argument.split(" ")
  return { table, discard: { otherWriters: flag === discardFlag } }
}

/** Refuses to undo what others have written to the table. */
export const keepsOthers = Effect.fn("promote.keepsOthers")(function* (
  folder: DataFolder["Service"],
  leases: Leases["Service"]
) {
  const undone = yield* undoneByRebuild(folder.table).pipe(Effect.provideService(Leases, leases))
  if (undone === undefined) return
  return yield* new RebuildRefused({
    reason: `${describeUndone(undone)} A table made from the log alone would undo that; ${discardFlag} lets it.`
  })
})

export const make = (folder: DataFolder["Service"], leases: Leases["Service"], supersede: SinkLoop["supersede"]) => ({
  put: Effect.fn("promote.put")(function* (argument: string) {
    const { discard, table } = fromArgument(argument)
    // While a replay writes the table it must not be taken.
    yield* acquire(folder.rebuildLock, "replay")
    const from = folder.tableAt(table)
    const state = yield* RebuildMarker.read(from)
    if (state._tag !== "Rebuilt" || !state.finished) {
      return yield* new RebuildRefused({
        reason: `There is no finished replay ${table} to put in place; floe replay --into ${table} --swap makes one.`
      })
    }
    const found = yield* readMetadata(from)
    if (Option.isNone(found)) {
      return yield* new RebuildRefused({ reason: "The log is empty: there is nothing to put in place." })
    }
    const progress = LogProgress.at(found.value.metadata, found.value.snapshot)
    if (Option.isNone(progress)) {
      return yield* new RebuildRefused({
        reason: `The table at ${from} no longer tells how far the log is in it, since another engine changed it; remove that folder and replay again.`
      })
    }
    const allowed = discard.otherWriters ? Effect.void : keepsOthers(folder, leases)
    const done = yield* supersede(from, progress.value, allowed)
    return `default.${table} is in place of default.weather: ${plural(done.rows, "row")}, the log up to offset ${done.progress.offset}, snapshot ${done.snapshotId}.`
  }, Effect.scoped),
  /** Removes what was put in place from where it was. Only once all know that it is done: until then it may be put again. */
  clear: Effect.fn("promote.clear")(
    function* (argument: string) {
      const { table } = fromArgument(argument)
      yield* acquire(folder.rebuildLock, "replay")
      const temporary = join(folder.root, "temp")
      yield* Files.makeFolder(temporary)
      const away = join(temporary, `${table}-${randomUUID()}`)
      // In one step: what is left of it after a crash must not look like a table.
      yield* Files.renameOver(folder.tableAt(table), away)
      yield* Files.removeFolder(away)
    },
    Effect.scoped,
    Effect.catch((error) =>
      Effect.logWarning(`The replayed table's own folder stays, as it cannot be removed. ${error.message}`)
    )
  )
})
export type Promotion = ReturnType<typeof make>
