/** Elapsed time, by the monotonic clock: setting the wall clock neither stretches a wait nor cuts it short. */
import { Clock, Effect, Schedule } from "effect"

/** Milliseconds since some moment; only differences mean something, and only within this process. */
export const monotonicMillisUnsafe = (clock: Clock.Clock) => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

export const monotonicMillis = Clock.clockWith((clock) => Effect.sync(() => monotonicMillisUnsafe(clock)))

/** The schedule with `now` and `elapsed` by the monotonic clock; Effect's own drivers give it the wall clock's time. */
export const monotonic = <Output, Input, Error, Env>(schedule: Schedule.Schedule<Output, Input, Error, Env>) =>
  Schedule.fromStep(
    Effect.map(
      Effect.all([Schedule.toStep(schedule), Clock.Clock]),
      ([step, clock]) =>
        (_wall: number, input: Input) =>
          step(monotonicMillisUnsafe(clock), input)
    )
  )
