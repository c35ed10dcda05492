/** Upkeep of the table beside the commits: one bounded piece at a time. */
import { Effect, Latch } from "effect"
import { SinkStopped } from "../../services/Sink.ts"
import type { Maintained, TableWriter } from "../../services/Table.ts"
import { plural } from "../runtime/plural.ts"
import * as RetryReporter from "../runtime/RetryReporter.ts"

/** Without commits there is still something to do, once an hour that has ended no longer grows. */
const longestWait = "1 minute"

const isNothing = (upkeep: Maintained) => Object.values(upkeep).every((count) => count === 0)

export const make = Effect.fnUntraced(function* (table: TableWriter["Service"]) {
  const wanted = yield* Latch.make(true)
  const retries = RetryReporter.make("The table can be maintained again.")

  /** Pieces until there is nothing left to do, added up. */
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
    /** To be told of every commit. */
    wanted: wanted.open,
    /** Goes on for ever; each time it is wanted, and then until there is nothing left to do. */
    run: Effect.gen(function* () {
      yield* Effect.timeoutOption(wanted.await, longestWait)
      yield* wanted.close
      yield* all
    }).pipe(
      Effect.catchTags({
        TableUnavailable: retries.wait,
        TableBroken: (error) => Effect.fail(new SinkStopped({ reason: error.message }))
      }),
      Effect.forever
    ),
    /** All of it now; the answer is a sentence. */
    now: Effect.map(all, (sum) =>
      isNothing(sum)
        ? "There was nothing to do."
        : `Merged ${plural(sum.filesCompacted, "file")} into ${sum.filesWritten.toLocaleString("en-US")}, expired ${plural(sum.snapshotsExpired, "snapshot")} and removed ${plural(sum.filesRemoved, "file")}.`
    )
  }
})
export type Upkeeper = Effect.Success<ReturnType<typeof make>>
