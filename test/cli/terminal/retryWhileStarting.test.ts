import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { retryWhileStarting } from "../../../layers/cli/terminal/retryWhileStarting.ts"

it.effect("the time that attempts take counts as waiting", () =>
  Effect.gen(function* () {
    const began: Array<number> = []
    const hanging = Clock.currentTimeMillis.pipe(
      Effect.tap((now) => Effect.sync(() => began.push(now / 1000))),
      Effect.andThen(Effect.sleep("20 seconds")),
      Effect.andThen(Effect.fail(new Error("It hangs.")))
    )
    const fiber = yield* Effect.forkChild(Effect.flip(hanging.pipe(retryWhileStarting(30, () => true))))
    yield* TestClock.adjust("2 minutes")
    assert.strictEqual((yield* Fiber.join(fiber)).message, "It hangs.")
    assert.deepStrictEqual(began, [0, 23])
    assert.deepStrictEqual(yield* TestConsole.errorLines, ["Waiting (20 of 30 s): It hangs."])
  })
)
