/** Waiting for a service that is starting, with a line of progress now and then. */
import { Console, Effect, Schedule, Schema } from "effect"
import { Flag } from "effect/cli"
import { monotonic, monotonicMillis } from "../../runtime/elapsed.ts"

export const wait = Flag.Int("wait").pipe(
  Flag.withDescription("Seconds to wait for a service that is starting or cannot be reached"),
  Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  Flag.withDefault(60)
)

/**
 * Tries again every few seconds while it is unavailable; what it fails with at the end is its failure. The time counts
 * from the first try on, which may hang before it fails.
 */
export const retryWhileStarting =
  <E extends Error>(seconds: number, isTemporary: (error: E) => boolean) =>
  <A, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(monotonicMillis, (started) =>
      Effect.retry(effect, ($) =>
        $(Schedule.spaced("3 seconds")).pipe(
          Schedule.while(({ input, now }) => isTemporary(input) && now - started < seconds * 1000),
          Schedule.tap(({ input, now }) =>
            Console.error(`Waiting (${Math.round((now - started) / 1000)} of ${seconds} s): ${input.message}`)
          ),
          monotonic
        )
      )
    )
