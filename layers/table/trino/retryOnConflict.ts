/** Runs a statement that changes the table, and retries it when another writer commits first. */
import { Effect, Schedule, Stream } from "effect"
import { MaintenanceFailed } from "../../../services/Maintenance.ts"
import { Query, type QueryError } from "../../../services/Query.ts"
import type { SnapshotMissing } from "../../../services/TableReader.ts"

export type OnProgress = (step: string) => Effect.Effect<void>

const isConflict = (error: QueryError | SnapshotMissing) =>
  error._tag === "QueryFailed" && error.reason._tag === "WriteConflict"
/** 1, 2, … 16 s: 31 s in total. */
const conflictRetries = Schedule.max([Schedule.exponential("1 second"), Schedule.recurs(5)])

/** Reports the step every second while the effect runs. */
export const withProgress = <A, E, R>(onProgress: OnProgress, step: string, effect: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(effect, Effect.andThen(Effect.repeat(onProgress(step), Schedule.spaced("1 second")), Effect.never))

export const make = (onProgress: OnProgress) =>
  Effect.fn("retryOnConflict.execute")(function* (step: string, statement: string) {
    // A statement may still fail until its last page is fetched.
    const execute = Query.use((query) => query.execute(statement)).pipe(
      Effect.flatMap(({ rows }) => Stream.runDrain(rows)),
      Effect.scoped
    )
    let tries = 0
    const once = Effect.suspend(() =>
      withProgress(onProgress, tries++ === 0 ? step : `${step}, retrying because the table changed meanwhile`, execute)
    )
    return yield* once.pipe(
      Effect.retry({ schedule: conflictRetries, while: isConflict }),
      Effect.mapError((cause) => new MaintenanceFailed({ reason: cause.message, cause }))
    )
  })
