/** Processors on Kafka: what comes out is a function of the log alone, whatever dies when. FLOE_SEED=<seed> runs one seed. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import { randomRun } from "../process/randomRun.ts"
import { kafkaPlace } from "./kafkaPlace.ts"
import { clicksFrom, expectedOf, kafkaProject } from "./kafkaProcessors.ts"

const given = process.env.FLOE_SEED
const wanted = Number(process.env.FLOE_SEEDS)
const seeds = given === undefined ? Array.from({ length: wanted > 0 ? wanted : 20 }, (_, i) => i + 1) : [Number(given)]

it.live(
  "gives the windows that the rule demands, whatever the batches and crashes",
  () =>
    Effect.gen(function* () {
      let crashes = 0
      let windows = 0
      for (const seed of seeds) {
        const { actual, crashed, expected } = yield* kafkaPlace.pipe(
          Effect.flatMap((place) => Effect.promise(() => randomRun(seed, place))),
          Effect.scoped,
          Effect.tapDefect(() => Effect.logError(`FLOE_SEED=${seed} runs it alone`))
        )
        assert.deepStrictEqual(actual, expected, `FLOE_SEED=${seed} runs it alone`)
        crashes += crashed
        windows += expected.rows.length
      }
      if (given !== undefined) return
      assert.isAbove(crashes, seeds.length)
      assert.isAbove(windows, 5 * seeds.length)
    }).pipe(Effect.provide(Cluster.layer)),
  600_000
)

const poll = <A, E, R>(look: Effect.Effect<A, E, R>, until: (value: A) => boolean) =>
  Effect.repeat(look, { schedule: Schedule.spaced("50 millis"), until }).pipe(Effect.timeout("90 seconds"))

it.live(
  "a processor on a processor gives the same rows once, although both are killed again and again",
  () =>
    Effect.gen(function* () {
      const { append, kill, outputs, start } = yield* kafkaProject
      const rounds = 4
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
      }
      const program = yield* start
      const { length } = expected.rows
      const found = yield* poll(outputs, ({ rows }) => rows.length >= length)
      assert.deepStrictEqual(found, expected)
      program.signal("SIGTERM")
      yield* Effect.promise(() => program.ended)
      assert.deepStrictEqual(yield* outputs, expected)
    }).pipe(Effect.provide(Cluster.layer)),
  300_000
)
