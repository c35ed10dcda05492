/** What happens when somebody sets the clock. Steps are an hour or more: what waits on the wall clock would show. */
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Logger, Option, Schedule } from "effect"
import { TestClock } from "effect/testing"
import * as IdempotencyIndex from "../../layers/log/kafka/IdempotencyIndex.ts"
import * as ageClock from "../../layers/runtime/ageClock.ts"
import * as ClockSteps from "../../layers/runtime/ClockSteps.ts"
import { monotonic, monotonicMillis } from "../../layers/runtime/elapsed.ts"
import { acquire } from "../../layers/runtime/ProcessLock.ts"
import { type ClockStep, described, watch } from "../../layers/runtime/watchClock.ts"
import { livenessOf } from "../../layers/sink/heartbeat.ts"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { scenario } from "../support/clockScenario.ts"
import { temporary, temporaryFolder } from "../support/dataFolder.ts"
import * as wallClock from "../support/wallClock.ts"

const { WallClock } = wallClock
const hour = 3_600_000
const day = 24 * hour

describe("a schedule with a limit", () => {
  const limited = Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "10 seconds" }), monotonic)

  /** Seconds for which it tries again, while the clock is set after the third. */
  const lasting = (step: number) =>
    Effect.gen(function* () {
      const began = yield* monotonicMillis
      const running = yield* Effect.forkChild(Effect.ignore(Effect.retry(Effect.fail("always"), limited)))
      yield* TestClock.adjust("3500 millis")
      yield* (yield* WallClock).step(step)
      while (running.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      yield* Fiber.join(running)
      return Math.round(((yield* monotonicMillis) - began) / 1000)
    }).pipe(Effect.provide(wallClock.layer))

  it.effect("lasts as long whether the clock is left alone, set back or set ahead", () =>
    Effect.gen(function* () {
      const usual = yield* lasting(0)
      assert.isAtLeast(usual, 10)
      assert.isAtMost(usual, 12)
      assert.strictEqual(yield* lasting(-hour), usual)
      assert.strictEqual(yield* lasting(hour), usual)
    })
  )
})

describe("the watch over the clock", () => {
  const watching = Effect.gen(function* () {
    const steps: Array<ClockStep> = []
    yield* Effect.forkChild(watch((step) => Effect.sync(() => steps.push(step))))
    yield* TestClock.adjust("5 seconds")
    return steps
  })

  it.effect("names each step once, and no drift", () =>
    Effect.gen(function* () {
      const { step } = yield* WallClock
      yield* TestClock.setTime(Date.UTC(2026, 0, 8, 14))
      const steps = yield* watching
      for (let i = 0; i < 60; i++) {
        yield* step(-500)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(steps, [])
      yield* step(-60_000)
      yield* TestClock.adjust("5 seconds")
      yield* step(2 * hour)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        steps.map(({ by }) => by),
        [-60_000, 2 * hour]
      )
      assert.deepStrictEqual(steps.map(described), [
        "was set back by 60 s, to 2026-01-08T13:59:36.000Z",
        "jumped ahead by 7,200 s, to 2026-01-08T15:59:41.000Z (it was set, or the machine was suspended)"
      ])
    }).pipe(Effect.provide(wallClock.layer))
  )

  it.effect("is reported in the program's output, and the last one is kept for doctor", () =>
    Effect.gen(function* () {
      const folder = yield* DataFolder
      const { step } = yield* WallClock
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(...(Array.isArray(message) ? message : [message])))
      assert.deepStrictEqual(yield* ClockSteps.last, Option.none())
      yield* Layer.build(ClockSteps.layer.pipe(Layer.provideMerge(Logger.layer([logger]))))
      yield* TestClock.adjust("1 second")
      yield* step(-60_000)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(lines, [
        "The clock was set back by 60 s, to 1969-12-31T23:59:02.000Z. New events get the hour that the clock shows now; timeouts and intervals are not affected."
      ])
      yield* Effect.repeat(ClockSteps.last, {
        until: Option.isSome,
        schedule: Schedule.forever
      })
      assert.deepStrictEqual(JSON.parse(readFileSync(folder.clockStep, "utf8")), { at: -58_000, by: -60_000 })
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(wallClock.layer, temporary)))
  )
})

describe("the age of what is kept for a day", () => {
  /** Makes a clock, stamps something, and gives the age that it has after each of these steps and waits. */
  const ages = (moves: ReadonlyArray<readonly [step: number, wait: number]>) =>
    Effect.gen(function* () {
      const { step } = yield* WallClock
      const now = ageClock.make(yield* Clock.Clock, day)
      const stamped = yield* Clock.currentTimeMillis
      const found: Array<number> = []
      for (const [by, wait] of moves) {
        yield* step(by)
        now()
        yield* TestClock.adjust(wait)
        found.push((now() - stamped) / hour)
      }
      return found
    }).pipe(Effect.provide(wallClock.layer))

  it.effect("is what has passed, whatever the clock jumps ahead by", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ages([[0, hour]]), [1])
      assert.deepStrictEqual(
        yield* ages([
          [25 * hour, hour],
          [hour, hour]
        ]),
        [1, 2]
      )
      // Once all that was stamped before is too old, the clock counts as it shows.
      assert.deepStrictEqual(yield* ages([[25 * hour, day]]), [49])
    })
  )

  it.effect("is less after a step back, and right again once that is undone", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ages([[-2 * hour, hour]]), [-1])
      assert.deepStrictEqual(
        yield* ages([
          [25 * hour, hour],
          [-25 * hour, hour],
          [0, hour]
        ]),
        [1, 2, 3]
      )
    })
  )

  it.effect("of a key in a topic, too, though records from after the jump are read", () =>
    Effect.gen(function* () {
      const { step } = yield* WallClock
      const clock = yield* Clock.Clock
      const keys = IdempotencyIndex.make(1_000, ageClock.make(clock, IdempotencyIndex.kept))
      const wall = () => clock.currentTimeMillisUnsafe()
      const begun = (key: string) => {
        const receipt = keys.begin({ key, digest: "d" }, 1, "2026-01-08-14", wall())
        receipt.busy = false
        return keys.placed(receipt, 0, { partition: 0, offset: 0 })
      }
      begun("before")
      yield* TestClock.adjust("1 hour")
      yield* step(25 * hour)
      for (const key of ["first", "second", "third"]) begun(key)
      assert.isDefined(keys.find("before", wall()))
      yield* TestClock.adjust("23 hours")
      assert.isUndefined(keys.find("before", wall()))
      assert.isDefined(keys.find("third", wall()))
    }).pipe(Effect.provide(wallClock.layer))
  )
})

describe("whether a sink lives", () => {
  const live = SinkControl.layer.pipe(Layer.provideMerge(Layer.merge(wallClock.layer, temporary)))

  const liveness = Effect.gen(function* () {
    const control = yield* SinkControl
    const status = Option.getOrThrow(yield* control.status)
    return yield* livenessOf(status)
  })

  it.effect("its lock shows, and not the time of its last report", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      const { sinkLock } = yield* DataFolder
      yield* control.report("running")
      assert.strictEqual(yield* liveness, "dead")
      yield* acquire(sinkLock, "sink")
      assert.strictEqual(yield* liveness, "alive")
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.effect("after a step of the clock its next report shows", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      const { step } = yield* WallClock
      yield* acquire((yield* DataFolder).sinkLock, "sink")
      for (const by of [-hour, hour]) {
        yield* control.report("running")
        yield* step(by)
        const looking = yield* Effect.forkChild(liveness)
        yield* TestClock.adjust("1 second")
        assert.isUndefined(looking.pollUnsafe())
        yield* control.report("running")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(looking), "alive")
      }
      yield* step(hour)
      const looking = yield* Effect.forkChild(liveness)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(looking), "silent")
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

describe("a whole Floe", () => {
  it.live(
    "continues while its clock is set back by two hours and corrected again, and reports both",
    () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryFolder, "seconds")
        const set = (seconds: number) =>
          Effect.sync(() => {
            // The programs read it at any moment.
            writeFileSync(`${file}.new`, String(seconds))
            renameSync(`${file}.new`, file)
          })
        yield* set(0)
        // Only the wall clock: timers and process.hrtime stay as they are.
        const module = `import { readFileSync } from "node:fs"
        const now = Date.now
        Date.now = () => now() + 1000 * Number(readFileSync(${JSON.stringify(file)}, "utf8"))`
        const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(module)}` }
        yield* scenario({ env, set })
      }).pipe(Effect.scoped),
    60_000
  )
})
