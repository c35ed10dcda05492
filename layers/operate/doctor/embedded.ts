/** The checks of the embedded profile. */
import { Duration, Effect, Layer, Result } from "effect"
import { Checks } from "../../../services/Checks.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { commitInterval, host, port } from "../../../services/Settings.ts"
import { TableReader } from "../../../services/TableReader.ts"
import * as LogTarget from "../../ingest/embeddedTarget.ts"
import * as ClockSteps from "../../runtime/ClockSteps.ts"
import { clock } from "./clock.ts"
import * as FolderChecks from "./embedded/folder.ts"
import { log } from "./embedded/log.ts"
import * as ServerChecks from "./embedded/server.ts"
import { sink } from "./embedded/sink.ts"
import { table as tableCheck } from "./embedded/table.ts"
import { files } from "./files.ts"

/** From where on something is too little or too much. */
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
  const reader = yield* EventLogReader
  const table = yield* TableReader
  const target = yield* Effect.result((yield* LogTarget.make).find)
  const interval = Duration.fromInputUnsafe(yield* commitInterval)
  const { roomBytes = 2 ** 30, smallFilesEnded = 32, smallFilesGrowing = 200, snapshots = 1000 } = limits
  const commitLagLimit = limits.commitLagLimit ?? longest(Duration.seconds(30), Duration.times(interval, 5))
  return Checks.of({
    all: [
      ServerChecks.port(yield* host, yield* port, folder, reader),
      ServerChecks.server(target, folder, reader),
      FolderChecks.data(folder),
      FolderChecks.disk(folder, roomBytes),
      FolderChecks.folder(folder),
      clock(reader, table, Result.isSuccess(target) ? target.success.url : undefined, yield* ClockSteps.last),
      log(folder, reader, table),
      sink({ folder, log: reader, table, commitLagLimit }),
      tableCheck(folder),
      {
        needs: ["table"],
        ...files({
          table,
          ended: smallFilesEnded,
          growing: smallFilesGrowing,
          total: Number.POSITIVE_INFINITY,
          snapshots,
          kept: Effect.map(table.snapshots, ({ length }) => length),
          fewer: "Set FLOE_SNAPSHOT_KEEP lower (100 is the default), start the sink again, and run floe maintain."
        })
      }
    ]
  })
})

export const layer = Layer.effect(Checks, make())
