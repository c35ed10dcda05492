/** The checks of the embedded profile. */
import { Duration, Effect, Layer, Result } from "effect"
import { Checks } from "../../../services/Checks.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { commitInterval, host, port } from "../../../services/Settings.ts"
import { Streams } from "../../../services/Streams.ts"
import { TableReader, weather } from "../../../services/TableReader.ts"
import * as LogTarget from "../../ingest/embeddedTarget.ts"
import * as ClockSteps from "../../runtime/ClockSteps.ts"
import { clock } from "./clock.ts"
import * as FolderChecks from "./embedded/folder.ts"
import { log, logOf } from "./embedded/log.ts"
import { processors } from "./embedded/processors.ts"
import * as ServerChecks from "./embedded/server.ts"
import { sink, sinkOf, sinkOfWeather, sinkRuns } from "./embedded/sink.ts"
import { table, tableOf } from "./embedded/table.ts"
import { files } from "./files.ts"
import { halfDone } from "./halfDone.ts"
import { provideChecks } from "./runChecks.ts"

/** Thresholds beyond which a check reports a finding. */
export interface Limits {
  readonly roomBytes: number
  readonly commitLagLimit: Duration.Duration
  readonly smallFilesEnded: number
  readonly smallFilesGrowing: number
  readonly snapshots: number
}

const longest = (a: Duration.Duration, b: Duration.Duration) => (Duration.isGreaterThan(a, b) ? a : b)

export const make = Effect.fnUntraced(function* (limits: Partial<Limits> = {}) {
  const folder = yield* DataFolder
  const target = yield* Effect.result((yield* LogTarget.make).find)
  const interval = Duration.fromInputUnsafe(yield* commitInterval)
  const { roomBytes = 2 ** 30, smallFilesEnded = 32, smallFilesGrowing = 200, snapshots = 1000 } = limits
  const commitLagLimit = limits.commitLagLimit ?? longest(Duration.seconds(30), Duration.times(interval, 5))
  const applied = yield* Effect.orElseSucceed((yield* Streams).all, () => [])
  const streams = applied.map(({ definition: { name } }) => name).filter((name) => name !== weather)
  const hasProcessors = applied.some(({ definition }) => definition.writer !== undefined)
  const ofStreams = yield* Effect.forEach(streams, (stream) =>
    provideChecks([logOf(stream), sinkOf(stream, commitLagLimit), tableOf(stream)])
  )
  const sinks =
    streams.length === 0
      ? yield* provideChecks([sink(commitLagLimit)])
      : yield* provideChecks([sinkRuns, sinkOfWeather(commitLagLimit)])
  return Checks.of({
    all: [
      ...(yield* provideChecks([
        ServerChecks.port(yield* host, yield* port),
        ServerChecks.server(target),
        FolderChecks.data(folder.root),
        FolderChecks.disk(folder.root, roomBytes),
        FolderChecks.folder(folder),
        clock(Result.isSuccess(target) ? target.success.url : undefined, yield* ClockSteps.last),
        log
      ])),
      ...sinks,
      ...(yield* provideChecks([
        table,
        files({
          ended: smallFilesEnded,
          growing: smallFilesGrowing,
          total: Number.POSITIVE_INFINITY,
          snapshots,
          kept: Effect.flatMap(TableReader, (table) => Effect.map(table.snapshots, ({ length }) => length)),
          fewer: "Set FLOE_SNAPSHOT_KEEP lower (100 is the default), start the sink again, and run floe maintain."
        })
      ])),
      ...ofStreams.flat(),
      ...(hasProcessors ? yield* provideChecks([processors]) : []),
      ...(streams.length === 0
        ? []
        : yield* provideChecks([
            halfDone({
              names: streams,
              isRunning: Effect.succeed(false),
              needs: ["data", ...streams.map((stream) => `table of ${stream}`)]
            })
          ]))
    ]
  })
})

export const layer = Layer.effect(Checks, make())
