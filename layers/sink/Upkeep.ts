/** Maintains the table between commits, one bounded piece at a time. */
import { Effect, Latch } from "effect"
import { type Maintained, TableWriter } from "../../services/TableWriter.ts"
import { plural } from "../runtime/plural.ts"
import * as RetryReporter from "../runtime/RetryReporter.ts"

/** Even without commits there is work once an hour has ended and no longer grows. */
const maxIdle = "1 minute"

const firstDelay = 500
const longestDelay = 30_000

export interface UpkeepReports {
  /** The table cannot be maintained: a sentence. It is tried again, at first soon. */
  readonly onBroken: (message: string) => Effect.Effect<void>
  readonly onMaintained: Effect.Effect<void>
}

const isNothing = (upkeep: Maintained) => Object.values(upkeep).every((count) => count === 0)

export const make = Effect.gen(function* () {
  const table = yield* TableWriter
  const wanted = yield* Latch.make(true)
  const retries = RetryReporter.make("The table can be maintained again.")

  const all = Effect.gen(function* () {
    const sum = { filesCompacted: 0, filesWritten: 0, snapshotsExpired: 0, filesRemoved: 0 }
    for (;;) {
      const piece = yield* table.maintain
      yield* retries.recovered
      if (isNothing(piece)) return sum
      sum.filesCompacted += piece.filesCompacted
      sum.filesWritten += piece.filesWritten
      sum.snapshotsExpired += piece.snapshotsExpired
      sum.filesRemoved += piece.filesRemoved
    }
  })

  return {
    /** To be run after every commit. */
    request: wanted.open,
    /** Runs after each request, until nothing is left to do. */
    run: ({ onBroken, onMaintained }: UpkeepReports) => {
      let delay = firstDelay
      return Effect.gen(function* () {
        yield* Effect.timeoutOption(wanted.await, maxIdle)
        yield* wanted.close
        yield* all
        delay = firstDelay
        yield* onMaintained
      }).pipe(
        Effect.catchTags({
          TableUnavailable: retries.wait,
          TableBroken: ({ message }) =>
            Effect.gen(function* () {
              yield* onBroken(message)
              yield* Effect.sleep(delay)
              delay = Math.min(longestDelay, delay * 2)
              yield* wanted.open
            })
        }),
        Effect.forever
      )
    },
    /** Runs all of it now; returns a sentence. */
    now: Effect.map(all, (sum) =>
      isNothing(sum)
        ? "There was nothing to do."
        : `Merged ${plural(sum.filesCompacted, "file")} into ${sum.filesWritten.toLocaleString("en-US")}, expired ${plural(sum.snapshotsExpired, "snapshot")} and removed ${plural(sum.filesRemoved, "file")}.`
    )
  }
})
