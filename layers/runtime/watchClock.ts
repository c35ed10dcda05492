/** Notices when the wall clock is set: once a second it is compared with the monotonic one. */
import { Clock, Effect, Layer } from "effect"
import { monotonicMillisUnsafe } from "./elapsed.ts"

export interface ClockStep {
  /** What the clock showed after it, in milliseconds since 1970. */
  readonly at: number
  /** Milliseconds; negative if it was set back. */
  readonly by: number
}

/** What is less is slewing. */
const leastStep = 2_000
/** The two clocks are read again if the process was held up between them. */
const leastPause = 100

const seconds = (millis: number) => `${Math.round(Math.abs(millis) / 1000).toLocaleString("en-US")} s`
/** Beyond these years the text would have another form, or there is none. */
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

/** Calls `noticed` once for each step; never returns. */
export const watch = Effect.fnUntraced(function* (noticed: (step: ClockStep) => Effect.Effect<void>) {
  const clock = yield* Clock.Clock
  let last = ahead(clock).by
  for (;;) {
    yield* Effect.sleep("1 second")
    const { at, by } = ahead(clock)
    if (Math.abs(by - last) > leastStep) yield* noticed({ at, by: by - last })
    last = by
  }
})

/** Logs each step, and hands it on. */
export const logging = (noticed: (step: ClockStep) => Effect.Effect<void>) =>
  Layer.effectDiscard(
    watch((step) =>
      Effect.andThen(
        Effect.logWarning(
          `The clock ${described(step)}. New events get the hour that it shows now; waits and limits go on unchanged.`
        ),
        noticed(step)
      )
    ).pipe(Effect.forkScoped)
  )

/** For a program that keeps nothing. */
export const layer = logging(() => Effect.void)
