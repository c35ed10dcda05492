/** A sink that stops first commits what the log has by then, so that acknowledged events are in the table. */
import { Effect, Layer, Option } from "effect"
import { EventLogReader } from "../../services/EventLog.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import { Sink } from "../sink/Sink.ts"

/** The next start commits a longer backlog. */
const drainTimeout = "1500 millis"
const pollInterval = "5 millis"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const log = yield* EventLogReader
    const table = yield* TableWriter
    const sink = yield* Sink

    const drained = Effect.gen(function* () {
      const { partitions } = yield* log.bounds
      const end = partitions[0]?.end ?? 0
      while (true) {
        const committed = yield* table.committed
        const offset = Option.isSome(committed) ? committed.value.progress.offset : 0
        if (offset + (yield* table.staged) >= end) return
        yield* Effect.sleep(pollInterval)
      }
    })

    yield* Effect.addFinalizer(() =>
      drained.pipe(
        Effect.raceFirst(sink.failure),
        Effect.interruptible,
        Effect.timeoutOption(drainTimeout),
        Effect.ignore
      )
    )
  })
)
