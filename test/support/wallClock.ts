/** The clock of the test, with a wall clock that can be set without affecting elapsed time. */
import { Clock, Context, Effect, Layer } from "effect"

export class WallClock extends Context.Service<WallClock, { readonly step: (millis: number) => Effect.Effect<void> }>()(
  "floe/test/WallClock"
) {}

export const layer = Layer.effectContext(
  Effect.gen(function* () {
    const base = yield* Clock.Clock
    let set = 0
    const millis = () => base.currentTimeMillisUnsafe() + set
    const nanos = () => base.currentTimeNanosUnsafe() + BigInt(set) * 1_000_000n
    const clock: Clock.Clock = {
      ...base,
      monotonicTimeNanosUnsafe: () => base.monotonicTimeNanosUnsafe(),
      sleep: (duration) => base.sleep(duration),
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos)
    }
    const step = (millis: number) =>
      Effect.sync(() => {
        set += millis
      })
    return Context.make(WallClock, { step }).pipe(Context.add(Clock.Clock, clock))
  })
)
