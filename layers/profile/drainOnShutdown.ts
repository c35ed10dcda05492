/** A sink that stops first commits what the log has by then, so that acknowledged events are in the tables. */
import { Effect, Layer } from "effect"
import { Sink } from "../sink/Sink.ts"

/** The next start commits a longer backlog. */
const drainTimeout = "1500 millis"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const sink = yield* Sink
    yield* Effect.addFinalizer(() =>
      sink.drained.pipe(
        Effect.raceFirst(sink.failure),
        Effect.interruptible,
        Effect.timeoutOption(drainTimeout),
        Effect.ignore
      )
    )
  })
)
