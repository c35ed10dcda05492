import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { make, type PlacedEvent, type Source } from "../../../layers/process/kafka/mergePartitions.ts"
import type { InputEvent } from "../../../layers/process/Runner.ts"

const eventsAt = (times: ReadonlyArray<number>): ReadonlyArray<InputEvent> =>
  times.map((acceptedAt, offset) => ({ offset, record: `{"t":${acceptedAt}}`, acceptedAt, schemaVersion: 1 }))

/** A partition that gives its events in batches, and is at its end with the last one. */
const inputOf = (events: ReadonlyArray<InputEvent>, batch: number): Source => {
  let at = 0
  let isFirst = true
  return {
    next: Effect.suspend(() => {
      const given = events.slice(at, at + batch)
      at += given.length
      const answer = given.length > 0 || isFirst ? Effect.succeed(given) : Effect.never
      isFirst = false
      return answer
    }),
    isAtEnd: () => at >= events.length
  }
}

const log = fc.array(fc.nat(50), { maxLength: 40 }).map((times) => times.sort((a, b) => a - b))

it.effect("gives the events of all partitions in the order of acceptance, and each partition in its own", () =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.array(log, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 9 }), (logs, batch) =>
        Effect.gen(function* () {
          const next = yield* make(logs.map((times) => inputOf(eventsAt(times), batch)))
          const count = logs.flat().length
          const found: Array<PlacedEvent> = []
          while (found.length < count) found.push(...(yield* next(true)))
          const times = found.map(({ acceptedAt }) => acceptedAt)
          assert.deepStrictEqual(
            times,
            logs.flat().sort((a, b) => a - b)
          )
          for (const [partition, own] of logs.entries()) {
            const offsets = found.filter((one) => one.partition === partition).map(({ offset }) => offset)
            assert.deepStrictEqual(offsets, [...own.keys()])
          }
        }).pipe(Effect.scoped, Effect.runPromise)
      ),
      { numRuns: 200 }
    )
  )
)

it.live("the events of one request, spread over partitions of unlike size, have nearly its order again", () =>
  Effect.gen(function* () {
    const places = Array.from({ length: 3_000 }, (_, i) => (i % 10 === 0 ? 2 : i % 3 === 0 ? 1 : 0))
    const own = [0, 1, 2].map((partition) => places.flatMap((place, i) => (place === partition ? [i] : [])))
    const next = yield* make(own.map((indexes) => inputOf(eventsAt(indexes.map(() => 7)), 2_000)))
    const found: Array<PlacedEvent> = []
    while (found.length < places.length) found.push(...(yield* next(true)))
    for (const [position, { offset, partition }] of found.entries()) {
      assert.closeTo(position, own[partition]?.[offset] ?? -1, 12)
    }
  }).pipe(Effect.scoped)
)

it.effect("an event that was just accepted waits for earlier ones of a partition that is read to its end", () =>
  Effect.gen(function* () {
    yield* TestClock.adjust("1 hour")
    const now = 3_600_000
    const early = eventsAt([now - 10])
    let given: ReadonlyArray<InputEvent> = []
    const quiet: Source = {
      next: Effect.suspend(() => {
        const events = given
        given = []
        return Effect.delay(Effect.succeed(events), "100 millis")
      }),
      isAtEnd: () => true
    }
    const next = yield* make([inputOf(eventsAt([now, now + 1]), 10), quiet])
    const taken = yield* Effect.forkChild(next(true))
    yield* TestClock.adjust("200 millis")
    given = early
    yield* TestClock.adjust("1 second")
    const events = yield* Fiber.join(taken)
    assert.deepStrictEqual(
      events.map(({ acceptedAt }) => acceptedAt),
      [now - 10]
    )
  })
)

it.effect("fails as the reading of a partition does", () =>
  Effect.gen(function* () {
    const broken: Source = { next: Effect.die("broken"), isAtEnd: () => false }
    const next = yield* make([inputOf(eventsAt([1]), 1), broken])
    const exit = yield* Effect.exit(next(true))
    assert.strictEqual(exit._tag, "Failure")
  })
)
