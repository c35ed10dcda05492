/**
 * Rebuilds a processor in steps that can each be repeated: it computes a new file (replayInProcess), builds tables from it
 * (Rebuild), makes the sink wait (Connector), and puts the file and the tables in place.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Effect, Layer, Option, Stream } from "effect"
import { Connector, connectorOf } from "../../services/Connector.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import type { Leases } from "../../services/Leases.ts"
import { ProcessorRebuild, ProcessorRebuildFailed } from "../../services/ProcessorRebuild.ts"
import { type Discards, Rebuild } from "../../services/Rebuild.ts"
import { Streams } from "../../services/Streams.ts"
import * as EventLogReaderLayer from "../log/sqlite/EventLogReader.ts"
import { NotBegun } from "../process/ProcessorReplays.ts"
import * as Rebuilt from "../process/rebuilt.ts"
import { replayInProcess } from "../process/replayInProcess.ts"
import * as Files from "../runtime/files.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import { readMetadata } from "../table/iceberg/MetadataFiles.ts"
import * as RebuildMarker from "../table/iceberg/RebuildMarker.ts"
import * as RebuildLayer from "./Rebuild.ts"
import { Refused, rebuiltTogether, streamsOf } from "./rebuiltTogether.ts"

type OnProgress = (step: string) => Effect.Effect<void>

const waitInterval = "100 millis"
/** A batch of a running processor, and its last function. */
const longestWait = "60 seconds"

/** The table beside the stream's, until it is promoted. */
const tableOf = (stream: string) => `${stream}_rebuild`

const make = Effect.gen(function* () {
  const folder = yield* DataFolder
  const services = yield* Effect.context<Connector | DataFolder | Leases | Streams>()
  const connector = yield* Connector
  const rebuilt = Rebuilt.rebuiltIn(folder)

  /** Reads the rebuilt files in place of those that are in use. */
  const ofRebuilt = Layer.fresh(RebuildLayer.layer).pipe(
    Layer.provideMerge(Layer.fresh(EventLogReaderLayer.layer).pipe(Layer.provide(Layer.succeed(DataFolder, rebuilt))))
  )
  const ofLog = Layer.fresh(RebuildLayer.layer).pipe(Layer.provide(Layer.fresh(EventLogReaderLayer.layer)))

  const removeTable = Effect.fnUntraced(function* (stream: string) {
    const marker = yield* RebuildMarker.read(folder.tableAt(tableOf(stream)))
    if (marker._tag === "Rebuilt" && marker.stream === stream) {
      yield* Files.removeFolder(folder.tableAt(tableOf(stream)))
    }
  })

  const buildTables = Effect.fnUntraced(function* (
    streams: ReadonlyArray<string>,
    discard: Discards,
    onProgress: OnProgress
  ) {
    const logs = yield* EventLogReader
    const rebuild = yield* Rebuild
    for (const stream of streams) {
      const { partitions } = yield* logs.of(stream).bounds
      if ((partitions[0]?.end ?? 0) > 0) {
        yield* rebuild
          .into(tableOf(stream), { stream, finished: true, discard })
          .pipe(Stream.runForEach(({ events }) => onProgress(`${stream}: ${events} rows are in its new table`)))
      } else if (Option.isSome(yield* readMetadata(folder.tableAt(stream)))) {
        return yield* new Refused({
          message: `The stream ${stream} has no rows any more, and an empty table cannot be put in place: stop the sink, move ${folder.tableAt(stream)} away, and run the same command.`
        })
      }
    }
  })

  const compute = Effect.fnUntraced(function* (name: string, discard: Discards, onProgress: OnProgress) {
    const definitions = yield* rebuiltTogether(name)
    const names = definitions.map((one) => one.name)
    const streams = streamsOf(definitions)
    Rebuilt.clearRebuilt(folder)
    Rebuilt.makeRebuilt(folder)
    for (const stream of streams) yield* removeTable(stream)
    yield* replayInProcess({ names, into: rebuilt.processors, until: null }, (processor, events) =>
      onProgress(`${processor}: ${events} events are processed`)
    )
    const unmerged = Rebuilt.unmergedIn(folder, names)
    if (unmerged !== undefined) {
      return yield* new Refused({
        message: `SQLite could not move ${unmerged} into its database, perhaps because the disk was full. Free some space and run the same command.`
      })
    }
    yield* Effect.provide(Effect.scoped(buildTables(streams, discard, onProgress)), ofRebuilt)
    return { names, streams }
  })

  const resume = (streams: ReadonlyArray<string>) =>
    Effect.forEach(streams, (stream) => connector.resume(connectorOf(stream)), { discard: true })

  /** The sink waits from before the files change until the tables have. What waited before stays so. */
  const pause = Effect.fnUntraced(function* (names: ReadonlyArray<string>, streams: ReadonlyArray<string>) {
    const paused: Array<string> = []
    for (const stream of streams) {
      const { connector: state } = yield* connector.status(connectorOf(stream))
      if (state.state !== "PAUSED") paused.push(stream)
    }
    Rebuilt.writeState(folder, { names, phase: "pausing", paused })
    for (const stream of paused) yield* connector.pause(connectorOf(stream))
    Rebuilt.writeState(folder, { names, phase: "ready", paused })
  })

  const putInPlace = Effect.gen(function* () {
    for (;;) {
      const isDone = yield* Effect.scoped(
        Effect.andThen(
          acquire(folder.processorLock, "program that runs processors"),
          Effect.sync(() => Rebuilt.putInPlace(folder))
        )
      ).pipe(
        Effect.as(true),
        // The program that has it does it.
        Effect.catchTag("LockHeld", () => Effect.succeed(Rebuilt.readState(folder)?.phase === "swapped"))
      )
      if (isDone) return
      yield* Effect.sleep(waitInterval)
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: longestWait,
      orElse: () =>
        Effect.fail(
          new Refused({
            message: `The program that runs the processors did not put the new files in place within ${longestWait}; stop it, run the same command, and start it again.`
          })
        )
    })
  )

  const promoteTables = Effect.fnUntraced(function* (
    streams: ReadonlyArray<string>,
    discard: Discards,
    onProgress: OnProgress
  ) {
    const rebuild = yield* Rebuild
    const promoted: Array<string> = []
    for (const stream of streams) {
      const marker = yield* RebuildMarker.read(folder.tableAt(tableOf(stream)))
      if (marker._tag !== "Rebuilt" || marker.stream !== stream) continue
      yield* rebuild.promote(tableOf(stream), (step) => onProgress(`${stream}: ${step}`), discard, stream)
      promoted.push(stream)
    }
    return promoted
  })

  const run = Effect.fn("ProcessorRebuild.run")(
    function* (name: string, discard: Discards, onProgress: OnProgress) {
      if (!existsSync(folder.processors)) {
        yield* rebuiltTogether(name)
        return yield* new NotBegun({ name })
      }
      yield* acquire(join(folder.processors, "rebuild.lock"), "rebuild of a processor")
      const last = Rebuilt.readState(folder)
      // Its files were not in place yet, so it begins again.
      if (last?.phase === "pausing") yield* resume(last.paused)
      const begun = last?.phase === "pausing" ? undefined : last
      if (begun !== undefined && !begun.names.includes(name)) {
        return yield* new Refused({
          message: `A rebuild of ${begun.names[0]} is not finished; run floe processor rebuild ${begun.names[0]} first.`
        })
      }
      if (begun === undefined) {
        const { names, streams } = yield* compute(name, discard, onProgress)
        yield* pause(names, streams)
      }
      const state = Rebuilt.readState(folder)
      const { names, paused } = state ?? { names: [name], paused: [] }
      yield* onProgress("putting the new files in place")
      yield* putInPlace
      const applied = yield* (yield* Streams).all
      const streams = applied
        .filter(({ definition: { writer } }) => writer !== undefined && names.includes(writer))
        .map(({ definition }) => definition.name)
      const tables = yield* Effect.provide(promoteTables(streams, discard, onProgress), ofLog)
      yield* resume(paused)
      Rebuilt.clearRebuilt(folder)
      return { names, tables }
    },
    Effect.scoped,
    Effect.provide(services),
    Effect.mapError((cause) => new ProcessorRebuildFailed({ reason: cause.message, cause }))
  )
  return ProcessorRebuild.of({ run })
})

export const layer = Layer.effect(ProcessorRebuild, make)
