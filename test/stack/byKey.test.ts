/** A processor on Kafka that reads three partitions by another key: rows are a function of its topic by key, whatever dies. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as DeadLettersLayer from "../../layers/log/kafka/DeadLetters.ts"
import { DeadLetters } from "../../services/DeadLetters.ts"
import type { Program } from "../support/program.ts"
import { byKeyProject } from "./kafkaByKey.ts"
import { clicksFrom, record } from "./kafkaProcessors.ts"
import { childOf, kill } from "./kafkaProject.ts"
import { randomByKey } from "./randomByKey.ts"

const poll = <A, E, R>(look: Effect.Effect<A, E, R>, until: (value: A) => boolean) => {
  const found: Effect.Effect<A, E, R> = Effect.retry(look, { schedule: Schedule.spaced("200 millis"), times: 50 })
  return Effect.repeat(found, { schedule: Schedule.spaced("50 millis"), until }).pipe(Effect.timeout("60 seconds"))
}

const printed = (program: Program, line: RegExp, times: number) =>
  Effect.promise(() => program.until((output) => (output.match(line) ?? []).length >= times)).pipe(
    Effect.timeoutOrElse({
      duration: "60 seconds",
      orElse: () => Effect.die(new Error(`It has not printed ${line} ${times} times:\n${program.output()}`))
    })
  )

const working = (program: Program, times: number) => printed(program, / (?:works|goes on)\./g, times)

type Project = Effect.Success<typeof byKeyProject>
type Outputs = Effect.Success<Project["outputs"]>

const count = (logs: ReadonlyArray<ReadonlyArray<unknown>>) => logs.reduce((sum, log) => sum + log.length, 0)
const sizeOf = (outputs: Outputs["expected"]) =>
  outputs.reduce((sum, { late, rows }) => sum + rows.length + late.length, 0)
const isWhole = ({ actual, expected }: Outputs) =>
  actual.reduce((sum, { late = [], rows = [] }) => sum + rows.length + late.length, 0) >= sizeOf(expected)

/** Every event is there once, a key in one partition, and the events of an input partition in their order. */
const requireCopy = Effect.fnUntraced(function* ({ byKey, input, outputs }: Project, events: number) {
  const logs = yield* poll(byKey, (found) => count(found) >= events)
  const inputs = yield* input
  assert.strictEqual(count(inputs), events)
  const timed = (all: typeof logs) => all.flat().map(({ acceptedAt, record }) => `${acceptedAt} ${record}`)
  assert.deepStrictEqual(timed(logs).sort(), timed(inputs).sort())
  const places = new Map<string, Set<number>>()
  for (const [partition, log] of logs.entries()) {
    for (const { key, record } of log) {
      assert.strictEqual(key, JSON.parse(record).visitor)
      places.set(key, (places.get(key) ?? new Set()).add(partition))
    }
    for (const one of inputs) {
      const own = new Set(one.map(({ record }) => record))
      const kept = new Set(log.map(({ record }) => record))
      assert.deepStrictEqual(
        log.map(({ record }) => record).filter((record) => own.has(record)),
        one.map(({ record }) => record).filter((record) => kept.has(record))
      )
    }
  }
  assert.isTrue([...places.values()].every(({ size }) => size === 1))
  assert.isAbove(inputs.filter(({ length }) => length > 0).length, 1)
  assert.isAbove(logs.filter(({ length }) => length > 0).length, 1)
  const { actual, expected } = yield* poll(outputs, isWhole)
  assert.deepStrictEqual(actual, expected)
  assert.isAbove(sizeOf(expected), 100)
})

const given = process.env.FLOE_SEED
const wanted = Number(process.env.FLOE_SEEDS)
const seeds = given === undefined ? Array.from({ length: wanted > 0 ? wanted : 4 }, (_, i) => i + 1) : [Number(given)]

it.live(
  "gives the windows that the rule demands over the partitions of its input, whatever dies when",
  () =>
    Effect.gen(function* () {
      const found = yield* Effect.forEach(
        seeds,
        Effect.fnUntraced(function* (seed) {
          const { actual, deaths, expected, rows } = yield* Effect.tapCause(randomByKey(seed), () =>
            Effect.logError(`FLOE_SEED=${seed} runs it alone`)
          )
          assert.deepStrictEqual(actual, expected, `FLOE_SEED=${seed} runs it alone`)
          return { deaths, rows }
        }),
        { concurrency: 4 }
      )
      if (given !== undefined) return
      assert.isAbove(
        found.reduce((sum, { deaths }) => sum + deaths, 0),
        seeds.length
      )
      assert.isAbove(
        found.reduce((sum, { rows }) => sum + rows, 0),
        5 * seeds.length
      )
    }).pipe(Effect.provide(Cluster.layer)),
  60_000 + 30_000 * seeds.length
)

it.live(
  "gives each row once, although it is killed again and again, and its states are compacted",
  () =>
    Effect.gen(function* () {
      const project = yield* byKeyProject
      const part = 4_000
      for (let round = 0; round < 2; round++) {
        const program = yield* project.start
        yield* working(program, 4)
        const before = count(yield* project.byKey)
        const appended = yield* Effect.forkChild(project.append(clicksFrom(round * part, part)))
        yield* poll(project.byKey, (logs) => count(logs) > before)
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
      const project = yield* byKeyProject
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
      yield* poll(project.byKey, (logs) => count(logs) > part)
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
      const project = yield* byKeyProject
      const bad = { id: "bad", visitor: "v1", at: 0, page: "broken" }
      yield* project.append([...clicksFrom(0, 600), bad])
      yield* project.start
      yield* poll(project.byKey, (logs) => count(logs) >= 600)
      const letters = yield* Effect.gen(function* () {
        const { letters } = yield* (yield* DeadLetters).now(`${project.name}_minutes`, () => Effect.void)
        return yield* Stream.runCollect(letters)
      }).pipe(
        Effect.provide(DeadLettersLayer.layer),
        Effect.repeat({ until: ({ length }) => length > 0, schedule: Schedule.spaced("100 millis") })
      )
      assert.deepStrictEqual(
        letters.map(({ reason, value }) => [reason, String(value)]),
        [["key throws the page is broken", record(bad)]]
      )
    }).pipe(Effect.provide(Cluster.layer)),
  60_000
)
