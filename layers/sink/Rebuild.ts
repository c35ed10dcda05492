import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { Effect, Layer, Option, Stream } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import { Leases } from "../../services/Leases.ts"
import {
  type Discards,
  Rebuild,
  type RebuildProgress,
  RebuildRefused,
  RebuildUnavailable
} from "../../services/Rebuild.ts"
import { commitInterval, topic } from "../../services/Settings.ts"
import { TableBroken, TableWriter } from "../../services/Table.ts"
import { weather } from "../../services/TableReader.ts"
import * as Files from "../runtime/files.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import * as RebuildMarker from "../table/iceberg/RebuildMarker.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import * as Promote from "./promote.ts"
import * as SinkCommand from "./SinkCommand.ts"
import * as SinkControl from "./SinkControl.ts"
import * as SinkLoop from "./SinkLoop.ts"
import * as Upkeep from "./Upkeep.ts"

/** A table that is rebuilt has no past to look at, and nobody who reads it. */
const retention = { snapshotKeep: 1, metadataKeep: 0 }

export const layer = Layer.effect(
  Rebuild,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const log = yield* EventLogReader
    const leases = yield* Leases
    const services = yield* Effect.context<DataFolder | EventLogReader | Leases>()
    const [name, interval] = [yield* topic, yield* commitInterval]

    /** The state of the table, made if there is none. */
    const opened = Effect.fnUntraced(function* (table: string, logId: string, finished: boolean) {
      const tableFolder = folder.tableAt(table)
      const state = yield* RebuildMarker.read(tableFolder)
      if (state._tag === "Nothing") {
        const made = { logId, finished: false }
        yield* RebuildMarker.write(tableFolder, made)
        return made
      }
      const another = "choose another name, or remove that folder"
      if (state._tag === "Other") {
        return yield* new RebuildRefused({ reason: `There is a table at ${tableFolder} already; ${another}.` })
      }
      if (state.logId !== logId) {
        return yield* new RebuildRefused({
          reason: `The table at ${tableFolder} is a replay of another log; ${another}.`
        })
      }
      if (state.finished && !finished) {
        return yield* new RebuildRefused({
          reason: `A replay into ${table} is finished already: --swap puts it in place. Or ${another}.`
        })
      }
      return state
    })

    const into: Rebuild["Service"]["into"] = (table, options) =>
      Effect.gen(function* () {
        if (table === weather) {
          return yield* new RebuildRefused({
            reason: `${weather} is the table that the sink writes; replay into another one, and put that in its place with --swap.`
          })
        }
        // While it catches up, V8 would let the heap grow by 150 MiB of garbage before it collects.
        setFlagsFromString("--heap-growing-percent=30")
        const { logId, partitions } = yield* log.bounds
        // Before the long work: the swap that follows would refuse. It may be for a table that cannot be read.
        if (options?.finished === true && options.discard?.otherWriters !== true) {
          yield* Effect.catchTag(Promote.keepsOthers(folder, leases), "TableBroken", () => Effect.void)
        }
        yield* acquire(folder.rebuildLock, "replay").pipe(
          Effect.mapError((cause) => new RebuildUnavailable({ reason: cause.message, cause }))
        )
        yield* opened(table, logId, options?.finished ?? false)
        const tableFolder = folder.tableAt(table)
        const tempFolder = join(folder.root, "temp-replay")
        yield* Files.removeFolder(tempFolder)
        const writer = yield* TableWriterLayer.make({ tableFolder, tempFolder, ...retention }).pipe(
          Effect.provideService(Leases, leases)
        )
        const intake = yield* SinkLoop.make({
          log,
          table: writer,
          folder: { ...folder, table: tableFolder },
          topic: name,
          interval,
          committed: Effect.void
        })
        const total = partitions[0]?.end ?? 0
        const found = Option.match(yield* writer.committed, {
          onNone: () => 0,
          onSome: ({ progress }) => progress.offset
        })
        const finish = Effect.gen(function* () {
          yield* (yield* Upkeep.make(writer)).now
          yield* RebuildMarker.write(tableFolder, { logId, finished: true })
        })
        return Stream.succeed(found).pipe(
          Stream.concat(intake.catchUp),
          Stream.map((events): RebuildProgress => ({ events, total: Math.max(total, events), found })),
          Stream.concat(Stream.drain(Stream.fromEffect(finish)))
        )
      }).pipe(
        Stream.unwrap,
        Stream.catchTag("SinkStopped", (error) => Stream.fail(new RebuildRefused({ reason: error.message })))
      )

    const isOfOldTable = (error: unknown): error is TableBroken =>
      error instanceof TableBroken && error.file.startsWith(folder.table)

    const runLocally = Effect.fnUntraced(
      function* (argument: string) {
        const writer = yield* TableWriter
        const intake = yield* SinkLoop.make({
          log,
          table: writer,
          folder,
          topic: name,
          interval,
          committed: Effect.void
        })
        const swap = Promote.make(folder, leases, intake.supersede)
        const outcome = yield* swap.put(argument)
        yield* swap.clear(argument)
        return outcome
      },
      Effect.provide(Layer.fresh(TableWriterLayer.layer)),
      Effect.catchIf(isOfOldTable, (error) =>
        Effect.fail(
          new RebuildRefused({
            reason: `${error.message} Move the folder ${folder.table} away; the same command then puts the new table there.`
          })
        )
      )
    )

    const promote = Effect.fn("Rebuild.promote")(
      function* (table: string, onProgress: (news: string) => Effect.Effect<void>, discard: Discards = {}) {
        const argument = Promote.toArgument(table, discard)
        return yield* SinkCommand.dispatch({ command: "swap", argument, runLocally: runLocally(argument), onProgress })
      },
      Effect.provide(SinkControl.layer),
      Effect.provide(services),
      Effect.catchTags({
        SinkStopped: (error) => Effect.fail(new RebuildRefused({ reason: error.message })),
        SinkCommandFailed: (error) => Effect.fail(new RebuildRefused({ reason: error.message })),
        ControlUnavailable: (error) => Effect.fail(new RebuildUnavailable({ reason: error.message, cause: error })),
        LockUnusable: (error) => Effect.fail(new RebuildUnavailable({ reason: error.message, cause: error })),
        LockHeld: (error) => Effect.fail(new RebuildUnavailable({ reason: error.message, cause: error })),
        ConfigError: (error) => Effect.fail(new RebuildUnavailable({ reason: error.message, cause: error }))
      })
    )

    return Rebuild.of({ into, promote, continuesWhenInterrupted: true })
  })
)
