import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger } from "effect"
import * as ConsoleLogger from "../../layers/runtime/ConsoleLogger.ts"

const linesOf = (effect: Effect.Effect<void>, colours = false) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const logger = Logger.map(ConsoleLogger.human(colours), (line) => void lines.push(line))
    yield* Effect.provide(effect, Logger.layer([logger]))
    return lines
  })

describe("a line of the log", () => {
  it.effect("has the time and the message, and the level unless it is INFO", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(
        Effect.gen(function* () {
          yield* Effect.logInfo("committed", 10, "rows")
          yield* Effect.logWarning("it is away")
          yield* Effect.annotateLogs(Effect.logError("it broke"), { city: "Oslo" })
          yield* Effect.logDebug("not shown")
        })
      )
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, "")),
        ["committed 10 rows", "WARN it is away", "ERROR it broke city=Oslo"]
      )
      for (const line of lines) assert.match(line, /^\d\d:\d\d:\d\d \S/)
    })
  )

  it.effect("is one line that does nothing to a terminal, whatever is logged", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(Effect.logInfo("a\u001b[2J\u001b]0;title\u0007\r\nb\u0000c\u009b31md"))
      assert.notMatch(line ?? "", /\p{Cc}/u)
      assert.match(line ?? "", / a.*b.*c.*d$/)
    })
  )

  it.effect("has the cause below it", () =>
    Effect.gen(function* () {
      const [line] = yield* linesOf(Effect.logError("it broke", Cause.die(new Error("the cause"))))
      assert.match(line ?? "", /ERROR it broke\n.*the cause/)
    })
  )

  it.effect("is coloured on demand only", () =>
    Effect.gen(function* () {
      const [plain] = yield* linesOf(Effect.logWarning("away"))
      const [coloured] = yield* linesOf(Effect.logWarning("away"), true)
      assert.notInclude(plain, "\u001b")
      assert.include(coloured, "\u001b[33mWARN")
    })
  )
})
