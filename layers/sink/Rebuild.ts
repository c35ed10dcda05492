import { join } from "node:path"
import { Effect, Layer, Option, Stream } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import type { Leases } from "../../services/Leases.ts"
import {
  type Discards,
  Rebuild,
  type RebuildProgress,
  RebuildRefused,
  RebuildUnavailable
} from "../../services/Rebuild.ts"
import { commitInterval, topic } from "../../services/Settings.ts"
import { weather } from "../../services/TableReader.ts"
import { TableBroken, TableWriter } from "../../services/TableWriter.ts"
import * as Files from "../runtime/files.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import * as RebuildMarker from "../table/iceberg/RebuildMarker.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import { limitHeapGrowth } from "./limitHeapGrowth.ts"
import * as Promote from "./promote.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { promoteCommand, SinkControl } from "./SinkControl.ts"
import * as SinkLoop from "./SinkLoop.ts"
import * as Upkeep from "./Upkeep.ts"

/** Keeps the old word, so that a newer version removes what an older one left. */
const tempFolderName = "temp-replay"

const retention = { snapshotKeep: 1, metadataKeep: 0 }

type LoopSettings = Pick<SinkLoop.SinkLoopOptions, "topic" | "interval">

const openMarker = Effect.fnUntraced(function* (table: string, logId: string, finished: boolean) {
  const folder = (yield* DataFolder).tableAt(table)
  const state = yield* RebuildMarker.read(folder)
  if (state._tag === "Nothing") return yield* RebuildMarker.write(folder, { logId, finished: false })
  const another = "choose another name, or remove that folder"
  if (state._tag === "Other") {
    return yield* new RebuildRefused({ reason: `There is already a table at ${folder}; ${another}.` })
  }
  if (state.logId !== logId) {
    return yield* new RebuildRefused({ reason: `The table at ${folder} was rebuilt from another log; ${another}.` })
  }
  if (state.finished && !finished) {
    return yield* new RebuildRefused({
      reason: `The rebuild into ${table} is already complete: --promote puts it in place. Or ${another}.`
    })
  }
})

const rebuild = Effect.fnUntraced(function* (
  settings: LoopSettings,
  table: string,
  { discard = {}, finished = false }: NonNullable<Parameters<Rebuild["Service"]["into"]>[1]>
) {
  if (table === weather) {
    return yield* new RebuildRefused({
      reason: `${weather} is the table that the sink writes; rebuild into another table, and put that one in place with --promote.`
    })
  }
  yield* limitHeapGrowth
  const log = yield* EventLogReader
  const folder = yield* DataFolder
  const { logId, partitions } = yield* log.bounds
  // Before the long work, as the promotion after it would refuse. A table that cannot be read may be why it is rebuilt.
  if (finished && discard.otherWriters !== true) {
    yield* Effect.catchTag(Promote.requireNoOtherChanges, "TableBroken", () => Effect.void)
  }
  yield* acquire(folder.rebuildLock, "rebuild").pipe(
    Effect.mapError((cause) => new RebuildUnavailable({ reason: cause.message, cause }))
  )
  yield* openMarker(table, logId, finished)
  const tableFolder = folder.tableAt(table)
  const tempFolder = join(folder.root, tempFolderName)
  yield* Files.removeFolder(tempFolder)
  const writer = yield* TableWriterLayer.make({ tableFolder, tempFolder, ...retention })
  const loop = yield* SinkLoop.make({ ...settings, onCommit: Effect.void }).pipe(
    Effect.provideService(TableWriter, writer),
    Effect.provideService(DataFolder, { ...folder, table: tableFolder })
  )
  const total = partitions[0]?.end ?? 0
  const resumedAt = Option.match(yield* writer.committed, {
    onNone: () => 0,
    onSome: ({ progress }) => progress.offset
  })
  const finish = Effect.gen(function* () {
    const upkeep = yield* Effect.provideService(Upkeep.make, TableWriter, writer)
    yield* upkeep.now
    yield* RebuildMarker.write(tableFolder, { logId, finished: true })
  })
  return Stream.succeed(resumedAt).pipe(
    Stream.concat(loop.catchUp),
    Stream.map((events): RebuildProgress => ({ events, total: Math.max(total, events), resumedAt })),
    Stream.concat(Stream.drain(Stream.fromEffect(finish)))
  )
})

const promoteLocally = Effect.fnUntraced(
  function* (settings: LoopSettings, argument: string) {
    const loop = yield* SinkLoop.make({ ...settings, onCommit: Effect.void })
    const outcome = yield* Promote.promote(loop.promote, argument)
    yield* Promote.clear(argument)
    return outcome
  },
  Effect.provide(Layer.fresh(TableWriterLayer.layer)),
  Effect.catchIf(
    (error) => error instanceof TableBroken,
    Effect.fnUntraced(function* (error) {
      const { table } = yield* DataFolder
      if (!error.file.startsWith(table)) return yield* error
      return yield* new RebuildRefused({
        reason: `${error.message} Move the folder ${table} away; the same command then puts the new table there.`
      })
    })
  )
)

const unavailable = (error: { readonly message: string }) =>
  Effect.fail(new RebuildUnavailable({ reason: error.message, cause: error }))
const refused = (error: { readonly message: string }) => Effect.fail(new RebuildRefused({ reason: error.message }))

export const layer = Layer.effect(
  Rebuild,
  Effect.gen(function* () {
    const services = yield* Effect.context<DataFolder | EventLogReader | Leases>()
    const settings = { topic: yield* topic, interval: yield* commitInterval }

    return Rebuild.of({
      continuesWhenInterrupted: true,
      into: (table, options = {}) =>
        rebuild(settings, table, options).pipe(
          Stream.unwrap,
          Stream.catchTag("SinkStopped", (error) => Stream.fail(new RebuildRefused({ reason: error.message }))),
          Stream.provideContext(services)
        ),
      promote: Effect.fn("Rebuild.promote")(
        function* (table: string, onProgress: (step: string) => Effect.Effect<void>, discard: Discards = {}) {
          const argument = Promote.toArgument(table, discard)
          const runLocally = promoteLocally(settings, argument)
          return yield* SinkCommand.dispatch({ command: promoteCommand, argument, runLocally, onProgress })
        },
        Effect.provide(SinkControl.layer),
        Effect.provide(services),
        Effect.catchTags({
          SinkStopped: refused,
          SinkCommandFailed: refused,
          ControlUnavailable: unavailable,
          LockUnusable: unavailable,
          LockHeld: unavailable,
          ConfigError: unavailable
        })
      )
    })
  })
)
