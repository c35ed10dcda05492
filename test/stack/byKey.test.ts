/** A processor on Kafka that reads three partitions by another key: rows are a function of its topic by key, whatever dies. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as DeadLettersLayer from "../../layers/log/kafka/DeadLetters.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import { DeadLetters } from "../../services/DeadLetters.ts"
import { isMany, seedsOf } from "../support/seeds.ts"
import { count, during, poll, printed, requireCopy, working } from "./byKeyCopy.ts"
import { byKeyProject } from "./kafkaByKey.ts"
import { clicksFrom, record } from "./kafkaProcessors.ts"
import { childOf, kill } from "./kafkaProject.ts"
import { randomByKey } from "./randomByKey.ts"
import { forEachSeed, sum } from "./seeds.ts"

const seeds = seedsOf(4)

it.live(
  "gives the windows that the rule demands over the partitions of its input, whatever dies when",
  () =>
    Effect.gen(function* () {
      const runs = yield* forEachSeed(
        seeds,
        Effect.fnUntraced(function* (seed) {
          const { actual, deaths, expected, rows } = yield* randomByKey(seed)
          assert.deepStrictEqual(actual, expected)
          return { deaths, rows }
        })
      )
      if (!isMany) return
      assert.isAbove(sum(runs.map(({ deaths }) => deaths)), seeds.length)
      assert.isAbove(sum(runs.map(({ rows }) => rows)), 5 * seeds.length)
    }).pipe(Effect.provide(Cluster.layer)),
  60_000 + 30_000 * seeds.length
)

it.live(
  "gives each row once, although it is killed again and again, and its states are compacted",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject()
      const part = 4_000
      for (let round = 0; round < 2; round++) {
        const program = yield* project.start
        yield* working(program, 4)
        const before = count(yield* project.byKey)
        const appended = yield* Effect.forkChild(project.append(clicksFrom(round * part, part)))
        yield* during(
          appended,
          program,
          poll(project.byKey, (logs) => count(logs) > before)
        )
        kill(program)
        yield* Fiber.join(appended)
      }
      yield* project.start
      yield* requireCopy(project, 2 * part)
    }).pipe(Effect.provide(Cluster.layer)),
  180_000
)

it.live(
  "of two copies one works; a zombie writes nothing; events after a long pause keep the order of their acceptance",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject()
      const part = 4_000
      // Hours of events are there before the first start.
      yield* project.append(clicksFrom(0, part))
      const first = yield* project.start
      yield* working(first, 4)
      yield* requireCopy(project, part)
      // In one log, only one event in thirteen is late; batches of 500 events are 250 seconds.
      const late = (yield* project.outputs).actual.reduce((sum, { late = [] }) => sum + late.length, 0)
      assert.isAtMost(late, part / 13)
      const second = yield* project.start
      const appended = yield* Effect.forkChild(project.append(clicksFrom(part, part)))
      yield* during(
        appended,
        first,
        poll(project.byKey, (logs) => count(logs) > part)
      )
      process.kill(childOf(first), "SIGSTOP")
      yield* working(second, 4)
      yield* Fiber.join(appended)
      yield* requireCopy(project, 2 * part)
      process.kill(childOf(first), "SIGCONT")
      yield* printed(first, /waits: another copy has taken it over/g, 4)
      yield* project.append(clicksFrom(2 * part, part))
      yield* requireCopy(project, 3 * part)
    }).pipe(Effect.provide(Cluster.layer)),
  180_000
)

it.live(
  "an event at which the key function throws becomes a dead letter of the output stream",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject()
      const bad = { id: "bad", visitor: "v1", at: 0, page: "broken" }
      yield* project.append([...clicksFrom(0, 600), bad])
      yield* project.start
      yield* poll(project.byKey, (logs) => count(logs) >= 600)
      const letters = yield* Effect.gen(function* () {
        const { letters } = yield* (yield* DeadLetters).now(`${project.name}_minutes`, () => Effect.void)
        return yield* Stream.runCollect(letters)
      }).pipe(
        Effect.provide(DeadLettersLayer.layer.pipe(Layer.provide(MemoryStreams.layer))),
        Effect.repeat({ until: ({ length }) => length > 0, schedule: Schedule.spaced("100 millis") })
      )
      assert.deepStrictEqual(
        letters.map(({ reason, value }) => [reason, String(value)]),
        [["key throws the page is broken", record(bad)]]
      )
    }).pipe(Effect.provide(Cluster.layer)),
  60_000
)
