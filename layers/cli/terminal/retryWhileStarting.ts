/** Retries while a service is starting, with a progress line for each attempt. */
import { Console, Effect, Schedule, Schema } from "effect"
import { Flag } from "effect/cli"
import { monotonic, monotonicMillis } from "../../runtime/elapsed.ts"

export const wait = Flag.Int("wait").pipe(
  Flag.withDescription("Seconds to wait for a service that is starting or unreachable"),
  Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  Flag.withDefault(60)
)

/** Retries every 3 seconds while `isTemporary` holds, for up to `seconds` from the start of the first attempt. Fails with the last error. */
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
