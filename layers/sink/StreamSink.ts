/** The sink of one stream: its loop and the upkeep of its table. */
import { type Duration, Effect, Option, Semaphore } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import { weather } from "../../services/TableReader.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import * as SinkLoop from "./SinkLoop.ts"
import * as Upkeep from "./Upkeep.ts"

const pollInterval = "5 millis"

export interface StreamSinkOptions {
  readonly stream: string
  /** Names the stream's log in messages. */
  readonly topic: string
  readonly interval: Duration.Input
  readonly table: TableWriter["Service"]
  readonly reports: Upkeep.UpkeepReports & {
    /** The next events could be read, or there are none; the table is known to come from this log. */
    readonly onRead: Effect.Effect<void>
  }
}

/** The data folder as the sink of a stream sees it: `table` is the stream's own. */
export const folderOf = (folder: DataFolder["Service"], stream: string) =>
  DataFolder.of({ ...folder, table: folder.tableAt(stream) })

export const make = Effect.fnUntraced(function* ({ stream, topic, interval, reports, table }: StreamSinkOptions) {
  const logs = yield* EventLogReader
  const log = stream === weather ? logs : logs.of(stream)
  const { onRead } = reports
  const use = yield* Semaphore.make(1)
  const { loop, upkeep } = yield* Effect.gen(function* () {
    const upkeep = yield* Upkeep.make
    return { upkeep, loop: yield* SinkLoop.make({ stream, topic, interval, onCommit: upkeep.request, onRead }) }
  }).pipe(
    Effect.provideService(TableWriter, table),
    Effect.provideService(DataFolder, folderOf(yield* DataFolder, stream))
  )

  return {
    stream,
    loop,
    upkeep,
    /** Gives the table the columns of a later version of the stream. */
    evolve: table.evolve,
    /** Reads, commits and maintains, and fails when it cannot read or commit any more. */
    run: Effect.all([upkeep.run(reports), loop.tick, loop.read], { concurrency: "unbounded", discard: true }),
    /** Whoever uses the table beside `run` does so one after the other. */
    using: use.withPermit,
    /** None if somebody uses the table. */
    ifUnused: use.withPermitsIfAvailable(1),
    /** Waits until the events that the log has now are committed or staged. */
    drained: Effect.gen(function* () {
      const { partitions } = yield* log.bounds
      const end = partitions[0]?.end ?? 0
      while (true) {
        const committed = yield* table.committed
        const offset = Option.isSome(committed) ? committed.value.progress.offset : 0
        if (offset + (yield* table.staged) >= end) return
        yield* Effect.sleep(pollInterval)
      }
    })
  }
})
export type StreamSink = Effect.Success<ReturnType<typeof make>>
