/** Notices when the wall clock is set, by comparing it with the monotonic clock once a second. */
import { Clock, Effect, Layer } from "effect"
import { monotonicMillisUnsafe } from "./elapsed.ts"

export interface ClockStep {
  /** The time after the step, in milliseconds since 1970. */
  readonly at: number
  /** Milliseconds; negative if it was set back. */
  readonly by: number
}

/** Smaller steps are slewing. */
const leastStep = 2_000
/** Both clocks are read again if the process paused for longer between the two reads. */
const leastPause = 100

const seconds = (millis: number) => `${Math.round(Math.abs(millis) / 1000).toLocaleString("en-US")} s`
const time = (millis: number) => new Date(Math.min(Math.max(millis, -8.64e15), 8.64e15)).toISOString()

/** The end of a sentence: `was set back by 60 s, to 2026-01-08T14:00:00.000Z`. */
export const described = ({ at, by }: ClockStep) =>
  by < 0
    ? `was set back by ${seconds(by)}, to ${time(at)}`
    : `jumped ahead by ${seconds(by)}, to ${time(at)} (it was set, or the machine was suspended)`

const ahead = (clock: Clock.Clock) => {
  for (;;) {
    const elapsed = monotonicMillisUnsafe(clock)
    const at = clock.currentTimeMillisUnsafe()
    if (monotonicMillisUnsafe(clock) - elapsed < leastPause) return { at, by: at - elapsed }
  }
}

/** Calls `onStep` once for each step; never returns. */
export const watch = Effect.fnUntraced(function* (onStep: (step: ClockStep) => Effect.Effect<void>) {
  const clock = yield* Clock.Clock
  let last = ahead(clock).by
  for (;;) {
    yield* Effect.sleep("1 second")
    const { at, by } = ahead(clock)
    if (Math.abs(by - last) > leastStep) yield* onStep({ at, by: by - last })
    last = by
  }
})

/** Logs each step and calls `onStep`. */
export const logging = (onStep: (step: ClockStep) => Effect.Effect<void>) =>
  Layer.effectDiscard(
    watch((step) =>
      Effect.andThen(
        Effect.logWarning(
          `The clock ${described(step)}. New events get the hour that the clock shows now; timeouts and intervals are not affected.`
        ),
        onStep(step)
      )
    ).pipe(Effect.forkScoped)
  )

/** Logs each step, for programs without a data folder. */
export const layer = logging(() => Effect.void)
