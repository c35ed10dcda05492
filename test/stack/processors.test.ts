/** Processors on Kafka: what comes out is a function of the log alone, whatever dies when. */

import type { Message } from "@confluentinc/kafka-javascript"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as DeadLettersLayer from "../../layers/log/kafka/DeadLetters.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import { DeadLetters } from "../../services/DeadLetters.ts"
import { manyWindows } from "../process/manyWindows.ts"
import { randomRun } from "../process/randomRun.ts"
import type { Program } from "../support/program.ts"
import { isMany, seedsOf } from "../support/seeds.ts"
import * as Broker from "./kafkaBroker.ts"
import { kafkaPlace } from "./kafkaPlace.ts"
import { clicksFrom, expectedOf, kafkaProject } from "./kafkaProcessors.ts"
import { childOf, kill } from "./kafkaProject.ts"
import { forEachSeed, sum } from "./seeds.ts"

const seeds = seedsOf(20)

it.live(
  "gives the windows that the rule demands, whatever the batches and crashes",
  () =>
    Effect.gen(function* () {
      const runs = yield* forEachSeed(
        seeds,
        Effect.fnUntraced(function* (seed) {
          const place = yield* kafkaPlace
          const { actual, crashed, expected } = yield* Effect.promise(() => randomRun(seed, place))
          assert.deepStrictEqual(actual, expected)
          return { crashed, rows: expected.rows.length }
        }, Effect.scoped)
      )
      if (!isMany) return
      assert.isAbove(sum(runs.map(({ crashed }) => crashed)), seeds.length)
      assert.isAbove(sum(runs.map(({ rows }) => rows)), 5 * seeds.length)
    }).pipe(Effect.provide(Cluster.layer)),
  60_000 + 30_000 * seeds.length
)

it.live(
  "closes 100,000 windows that were open when it died",
  () =>
    Effect.gen(function* () {
      const place = yield* kafkaPlace
      const { actual, expected } = yield* Effect.promise(() => manyWindows(place))
      assert.deepStrictEqual(actual, expected)
    }).pipe(Effect.scoped, Effect.provide(Cluster.layer)),
  120_000
)

type Outputs = ReturnType<typeof expectedOf>
const isWhole = (expected: Outputs) => (found: Outputs) =>
  found.sales.length >= expected.sales.length &&
  found.rows.length >= expected.rows.length &&
  found.late.length >= expected.late.length

/** Also while the broker is away. */
const poll = <A, E, R>(look: Effect.Effect<A, E, R>, until: (value: A) => boolean) => {
  const found: Effect.Effect<A, E, R> = Effect.retry(look, { schedule: Schedule.spaced("200 millis") })
  return Effect.repeat(found, { schedule: Schedule.spaced("50 millis"), until }).pipe(Effect.timeout("90 seconds"))
}

it.live(
  "a processor on a processor gives the same rows once, although both are killed again and again, and their state is compacted",
  () =>
    Effect.gen(function* () {
      const { append, firstOfState, outputs, start } = yield* kafkaProject()
      const rounds = 3
      const part = 20_000
      const all = clicksFrom(0, rounds * part)
      const expected = expectedOf(all)
      for (let round = 0; round < rounds; round++) {
        const program = yield* start
        yield* Effect.promise(() => program.printed(/_minute, partition 0, works/))
        const before = (yield* outputs).sales.length
        const appended = yield* Effect.forkChild(append(clicksFrom(round * part, part)))
        yield* poll(outputs, ({ sales }) => sales.length > before)
        kill(program)
        yield* Fiber.join(appended)
        // The next one reads what the compaction has left.
        if (round === rounds - 1) yield* poll(firstOfState("minute"), (offset) => offset > 10)
      }
      const program = yield* start
      assert.deepStrictEqual(yield* poll(outputs, isWhole(expected)), expected)
      program.signal("SIGTERM")
      yield* Effect.promise(() => program.ended)
      assert.deepStrictEqual(yield* outputs, expected)
    }).pipe(Effect.provide(Cluster.layer)),
  300_000
)

const working = (program: Program, times: number) =>
  Effect.promise(() =>
    program.until((output) => (output.match(/partition 0, works\.|partition 0, goes on\./g) ?? []).length >= times)
  )

it.live(
  "of two copies one works and the other waits; a zombie writes nothing, and waits when it wakes",
  () =>
    Effect.gen(function* () {
      const { append, outputs, start } = yield* kafkaProject()
      const part = 10_000
      const clicks = (round: number) => clicksFrom(round * part, part)
      const upTo = (rounds: number) => expectedOf(clicksFrom(0, rounds * part))
      const processed = (rounds: number) =>
        Effect.gen(function* () {
          const expected = upTo(rounds)
          assert.deepStrictEqual(yield* poll(outputs, isWhole(expected)), expected)
        })
      const first = yield* start
      yield* working(first, 2)
      const second = yield* start
      yield* append(clicks(0))
      yield* processed(1)
      assert.notMatch(second.output(), /works/)

      const appended = yield* Effect.forkChild(append(clicks(1)))
      yield* poll(outputs, ({ sales }) => sales.length > upTo(1).sales.length)
      process.kill(childOf(first), "SIGSTOP")
      yield* working(second, 2)
      yield* Fiber.join(appended)
      yield* processed(2)
      process.kill(childOf(first), "SIGCONT")
      for (const name of ["only", "minute"]) {
        yield* Effect.promise(() =>
          first.printed(new RegExp(`_${name}, partition 0, waits: another copy has taken it over`))
        )
      }
      yield* append(clicks(2))
      yield* processed(3)

      kill(second)
      const killed = performance.now()
      yield* working(first, 4)
      const took = performance.now() - killed
      console.log(`After kill -9 the other copy took over in ${(took / 1_000).toFixed(1)} s.`)
      assert.isBelow(took, 5_000)
      yield* append(clicks(3))
      yield* processed(4)
    }).pipe(Effect.provide(Cluster.layer)),
  300_000
)

const broken = {
  paused: Effect.scoped(Effect.andThen(Broker.paused, Effect.sleep("20 seconds"))),
  restarted: Broker.restarted
}

it.live.each(Object.entries(broken))(
  "goes on by itself after the broker is %s in mid-transaction",
  ([, breakIt]) =>
    Effect.gen(function* () {
      const { append, outputs, start } = yield* kafkaProject()
      const all = clicksFrom(0, 60_000)
      const expected = expectedOf(all)
      yield* append(all)
      yield* start
      yield* poll(outputs, ({ sales }) => sales.length > 0)
      yield* breakIt
      assert.deepStrictEqual(yield* poll(outputs, isWhole(expected)), expected)
    }).pipe(Effect.provide(Cluster.layer)),
  300_000
)

it.live(
  "writes what the door would, keeps what a function throws at as dead letters, and closes the windows of a quiet stream",
  () =>
    Effect.gen(function* () {
      const { append, messages, name, outputs, start } = yield* kafkaProject('closeWhenIdle: "1 second",')
      const clicks = clicksFrom(0, 200)
      yield* append([...clicks, { id: "bad", visitor: "v1", at: 0, page: "broken" }])
      const program = yield* start
      const closing = { id: "closes", visitor: "", at: Date.now(), page: "sale" }
      const expected = expectedOf([...clicks, closing]).rows
      const { rows } = yield* poll(outputs, (found) => found.rows.length >= expected.length)
      assert.deepStrictEqual(rows, expected)

      const contentOf = ({ headers = [], key, timestamp, value }: Message) => ({
        headers,
        key: String(key),
        timestamp,
        value: String(value)
      })
      const logged = (yield* messages("clicks")).map(contentOf)
      const sales = (yield* messages("sales")).map(contentOf)
      assert.deepStrictEqual(
        sales,
        logged.filter(({ value }) => value.endsWith('"page":"sale"}'))
      )
      const letters = yield* Effect.gen(function* () {
        const { letters } = yield* (yield* DeadLetters).now(`${name}_sales`, () => Effect.void)
        return yield* Stream.runCollect(letters)
      }).pipe(Effect.provide(DeadLettersLayer.layer.pipe(Layer.provide(MemoryStreams.layer))))
      assert.deepStrictEqual(
        letters.map(({ reason, value }) => [reason, JSON.parse(String(value)).id]),
        [["keep throws the page is broken", "bad"]]
      )
      program.signal("SIGTERM")
      assert.strictEqual((yield* Effect.promise(() => program.ended)).code, 0)
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)
