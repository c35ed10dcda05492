/** Retries without limit, with one log line when the failures begin and one when they end. */
import { Effect, Random } from "effect"

const firstDelay = 100
const longestDelay = 5_000

export interface RetryReporter {
  /** Reports a failure and waits before the next try: exponential backoff with jitter, up to 5 seconds. */
  readonly wait: (error: Error) => Effect.Effect<void>
  /** Reports success. */
  readonly recovered: Effect.Effect<void>
}

export const make = (recovered: string): RetryReporter => {
  let failures = 0
  return {
    wait: Effect.fnUntraced(function* (error) {
      if (failures === 0) yield* Effect.logWarning(`${error.message} Retrying until it works.`)
      const delay = Math.min(longestDelay, firstDelay * 2 ** Math.min(failures++, 10))
      yield* Effect.sleep(delay * (yield* Random.nextBetween(0.5, 1)))
    }),
    recovered: Effect.suspend(() => {
      if (failures === 0) return Effect.void
      failures = 0
      return Effect.log(recovered)
    })
  }
}
