/** Puts a rebuilt table in place of `default.weather`. Runs in the sink on request, or in a process that holds its lock. */
import { join } from "node:path"
import { Effect, Option } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { type Discards, RebuildRefused } from "../../services/Rebuild.ts"
import { weather } from "../../services/TableReader.ts"
import * as Files from "../runtime/files.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import { plural } from "../runtime/plural.ts"
import { describeUndone, discardFlag, undoneByRebuild } from "../table/duckdb/undoneByRebuild.ts"
import * as LogProgress from "../table/iceberg/logProgress.ts"
import { readMetadata } from "../table/iceberg/MetadataFiles.ts"
import * as RebuildMarker from "../table/iceberg/RebuildMarker.ts"
import type { SinkLoop } from "./SinkLoop.ts"

/** Encodes the argument of a request to the sink. */
export const toArgument = (table: string, { otherWriters }: Discards) =>
  otherWriters === true ? `${table} ${discardFlag}` : table

const fromArgument = (argument: string) => {
  const [table = "", flag] = argument.split(" ")
  return { table, discard: { otherWriters: flag === discardFlag } }
}

const lockRebuild = Effect.flatMap(DataFolder, ({ rebuildLock }) => acquire(rebuildLock, "rebuild"))

/** Refuses to undo what other programs have written to the table. */
export const requireNoOtherChanges = Effect.gen(function* () {
  const folder = yield* DataFolder
  const undone = yield* undoneByRebuild(folder.table)
  if (undone === undefined) return
  return yield* new RebuildRefused({
    reason: `${describeUndone(undone)} A table built from the log alone would undo that; to allow it, add ${discardFlag}.`
  })
}).pipe(Effect.withSpan("promote.requireNoOtherChanges"))

/** Promotes the table that the argument names, in a folder whose table is the stream's; returns a sentence. */
export const promote = Effect.fn("promote.promote")(function* (
  promoteFrom: SinkLoop["promote"],
  argument: string,
  stream = weather
) {
  const folder = yield* DataFolder
  const { discard, table } = fromArgument(argument)
  yield* lockRebuild
  const from = folder.tableAt(table)
  const state = yield* RebuildMarker.read(from)
  if (state._tag !== "Rebuilt" || !state.finished) {
    return yield* new RebuildRefused({
      reason: `There is no finished rebuild ${table} to put in place; run floe rebuild --into ${table} --promote.`
    })
  }
  if (state.stream !== stream) {
    return yield* new RebuildRefused({
      reason: `The table ${table} was rebuilt from the stream ${state.stream}, not from ${stream}.`
    })
  }
  const current = yield* readMetadata(from)
  if (Option.isNone(current)) {
    return yield* new RebuildRefused({ reason: "The log is empty: there is nothing to put in place." })
  }
  const progress = LogProgress.at(current.value.metadata, current.value.snapshot)
  if (Option.isNone(progress)) {
    return yield* new RebuildRefused({
      reason: `The table at ${from} no longer shows how much of the log it has, because another engine changed it; remove that folder and rebuild the table.`
    })
  }
  const services = yield* Effect.context<DataFolder | Leases>()
  const allowed = discard.otherWriters ? Effect.void : Effect.provide(requireNoOtherChanges, services)
  const done = yield* promoteFrom(from, progress.value, allowed)
  return `default.${table} is in place of default.${stream}: ${plural(done.rows, "row")}, the log up to offset ${done.progress.offset}, snapshot ${done.snapshotId}.`
}, Effect.scoped)

/** Removes the promoted table's own folder. Only after the outcome is recorded: until then the promotion may be repeated. */
export const clear = Effect.fn("promote.clear")(
  function* (argument: string) {
    const folder = yield* DataFolder
    const random = yield* SecureRandom.SecureRandom
    const { table } = fromArgument(argument)
    yield* lockRebuild
    const temporary = join(folder.root, "temp")
    yield* Files.makeFolder(temporary)
    const away = join(temporary, `${table}-${yield* random.uuidV4()}`)
    // In one step, as remains after a crash must not look like a table.
    yield* Files.renameOver(folder.tableAt(table), away)
    yield* Files.removeFolder(away)
  },
  Effect.scoped,
  Effect.provide(SecureRandom.layerWebCrypto),
  Effect.catch((error) => Effect.logWarning(`The rebuilt table's old folder could not be removed. ${error.message}`))
)
