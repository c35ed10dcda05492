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
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import { TableBroken, TableWriter } from "../../services/TableWriter.ts"
import * as Files from "../runtime/files.ts"
import { limitHeapGrowth } from "../runtime/limitHeapGrowth.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import * as RebuildMarker from "../table/iceberg/RebuildMarker.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import { make as specOf } from "../table/schema/TableSpec.ts"
import * as Promote from "./promote.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { promoteCommand, SinkControl } from "./SinkControl.ts"
import * as SinkLoop from "./SinkLoop.ts"
import { folderOf } from "./StreamSink.ts"
import * as Upkeep from "./Upkeep.ts"

/** Keeps the old word, so that a newer version removes what an older one left. */
const tempFolderName = "temp-replay"

const retention = { snapshotKeep: 1, metadataKeep: 0 }

type LoopSettings = Pick<SinkLoop.SinkLoopOptions, "topic" | "interval">

const streamNamed = (stream: string) =>
  Effect.flatMap(Streams, ({ find }) => find(stream)).pipe(
    Effect.catchTag("NoSuchStream", ({ message }) => Effect.fail(new RebuildRefused({ reason: message })))
  )

const openMarker = Effect.fnUntraced(function* (table: string, stream: string, logId: string, finished: boolean) {
  const folder = (yield* DataFolder).tableAt(table)
  const state = yield* RebuildMarker.read(folder)
  if (state._tag === "Nothing") return yield* RebuildMarker.write(folder, { logId, stream, finished: false })
  const another = "choose another name, or remove that folder"
  if (state._tag === "Other") {
    return yield* new RebuildRefused({ reason: `There is already a table at ${folder}; ${another}.` })
  }
  if (state.logId !== logId) {
    return yield* new RebuildRefused({ reason: `The table at ${folder} was rebuilt from another log; ${another}.` })
  }
  if (state.stream !== stream) {
    return yield* new RebuildRefused({
      reason: `The table at ${folder} was rebuilt from the stream ${state.stream}; ${another}.`
    })
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
  { discard = {}, finished = false, stream = weather }: NonNullable<Parameters<Rebuild["Service"]["into"]>[1]>
) {
  const streams = yield* (yield* Streams).all
  if (streams.some(({ definition }) => definition.name === table)) {
    return yield* new RebuildRefused({
      reason: `${table} is the table that the sink writes; rebuild into another table, and put that one in place with --promote.`
    })
  }
  const applied = yield* streamNamed(stream)
  yield* limitHeapGrowth
  const logs = yield* EventLogReader
  const log = stream === weather ? logs : logs.of(stream)
  const folder = folderOf(yield* DataFolder, stream)
  const { logId, partitions } = yield* log.bounds
  // Before the long work, as the promotion after it would refuse. A table that cannot be read may be why it is rebuilt.
  if (finished && discard.otherWriters !== true) {
    yield* Effect.catchTag(Promote.requireNoOtherChanges, "TableBroken", () => Effect.void).pipe(
      Effect.provideService(DataFolder, folder)
    )
  }
  yield* acquire(folder.rebuildLock, "rebuild").pipe(
    Effect.mapError((cause) => new RebuildUnavailable({ reason: cause.message, cause }))
  )
  yield* openMarker(table, stream, logId, finished)
  const tableFolder = folder.tableAt(table)
  const tempFolder = join(folder.root, tempFolderName)
  yield* Files.removeFolder(tempFolder)
  const writer = yield* TableWriterLayer.make({ spec: specOf(applied), tableFolder, tempFolder, ...retention })
  const loop = yield* SinkLoop.make({ ...settings, stream, onCommit: Effect.void }).pipe(
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
    yield* RebuildMarker.write(tableFolder, { logId, stream, finished: true })
  })
  return Stream.succeed(resumedAt).pipe(
    Stream.concat(loop.catchUp),
    Stream.map((events): RebuildProgress => ({ events, total: Math.max(total, events), resumedAt })),
    Stream.concat(Stream.drain(Stream.fromEffect(finish)))
  )
})

const explainBroken = Effect.fnUntraced(function* (error: TableBroken) {
  const { table } = yield* DataFolder
  if (!error.file.startsWith(table)) return yield* error
  return yield* new RebuildRefused({
    reason: `${error.message} Move the folder ${table} away; the same command then puts the new table there.`
  })
})

const promoteLocally = Effect.fnUntraced(function* (settings: LoopSettings, argument: string, stream: string) {
  const applied = yield* streamNamed(stream)
  const writer = TableWriterLayer.layerOf(applied).pipe(Layer.provide(TableWriterLayer.writersLayer))
  const promoted = Effect.gen(function* () {
    const loop = yield* SinkLoop.make({ ...settings, stream, onCommit: Effect.void })
    const outcome = yield* Promote.promote(loop.promote, argument, stream)
    yield* Promote.clear(argument)
    return outcome
  })
  return yield* promoted.pipe(
    Effect.provide(Layer.fresh(writer)),
    Effect.catchIf((error) => error instanceof TableBroken, explainBroken),
    Effect.provideService(DataFolder, folderOf(yield* DataFolder, stream))
  )
})

const unavailable = (error: { readonly message: string }) =>
  Effect.fail(new RebuildUnavailable({ reason: error.message, cause: error }))
const refused = (error: { readonly message: string }) => Effect.fail(new RebuildRefused({ reason: error.message }))

export const layer = Layer.effect(
  Rebuild,
  Effect.gen(function* () {
    const services = yield* Effect.context<DataFolder | EventLogReader | Leases | Streams>()
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
        function* (
          table: string,
          onProgress: (step: string) => Effect.Effect<void>,
          discard: Discards = {},
          stream = weather
        ) {
          const argument = Promote.toArgument(table, discard)
          const runLocally = promoteLocally(settings, argument, stream)
          return yield* SinkCommand.dispatch({ command: promoteCommand, stream, argument, runLocally, onProgress })
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
