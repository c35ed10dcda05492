/** Elapsed time by the monotonic clock, so that setting the wall clock does not change a wait. */
import { Clock, Effect, Schedule } from "effect"

/** Milliseconds since an arbitrary moment; only differences within this process have a meaning. */
export const monotonicMillisUnsafe = (clock: Clock.Clock) => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

export const monotonicMillis = Clock.clockWith((clock) => Effect.sync(() => monotonicMillisUnsafe(clock)))

/** The schedule with `now` and `elapsed` by the monotonic clock; Effect's drivers use the wall clock. */
export const monotonic = <Output, Input, Error, Env>(schedule: Schedule.Schedule<Output, Input, Error, Env>) =>
  Schedule.fromStep(
    Effect.map(
      Effect.all([Schedule.toStep(schedule), Clock.Clock]),
      ([step, clock]) =>
        (_wall: number, input: Input) =>
          step(monotonicMillisUnsafe(clock), input)
    )
  )
