/** A statement that changes a table beside its other writers: one that was slower than they is tried again. */
import { Effect, Schedule, Stream } from "effect"
import { MaintenanceFailed } from "../../../services/Maintenance.ts"
import type { Query, QueryError } from "../../../services/Query.ts"
import type { SnapshotMissing } from "../../../services/TableReader.ts"

export type Told = (news: string) => Effect.Effect<void>

/** Another writer was faster, or holds the metastore's lock. */
const conflict = /Failed to commit|Metadata location|lock/i
const isConflict = (error: QueryError | SnapshotMissing) => error._tag === "QueryFailed" && conflict.test(error.reason)
/** 1, 2, … 16 s: half a minute in all. */
const again = Schedule.max([Schedule.exponential("1 second"), Schedule.recurs(5)])

/** Says every second what it is at. */
export const saying = <A, E, R>(told: Told, news: string, effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.andThen(Effect.repeat(told(news), Schedule.spaced("1 second")), Effect.never))

export const make = (query: Query["Service"], told: Told) =>
  Effect.fn("retryOnConflict.execute")(function* (news: string, statement: string) {
    // Until its last page is fetched a statement has not ended, and may fail.
    const execute = Effect.scoped(Effect.flatMap(query.execute(statement), ({ rows }) => Stream.runDrain(rows)))
    let tries = 0
    const once = Effect.suspend(() =>
      saying(told, tries++ === 0 ? news : `${news}, again as the table changed meanwhile`, execute)
    )
    return yield* once.pipe(
      Effect.retry({ schedule: again, while: isConflict }),
      Effect.mapError((cause) => new MaintenanceFailed({ reason: cause.message, cause }))
    )
  })
