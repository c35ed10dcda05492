/** What must hold of a topic by key, and of what is made from it. */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import type { Program } from "../support/program.ts"
import type { byKeyProject } from "./kafkaByKey.ts"

export const poll = <A, E, R>(look: Effect.Effect<A, E, R>, until: (value: A) => boolean) => {
  const found: Effect.Effect<A, E, R> = Effect.retry(look, { schedule: Schedule.spaced("200 millis"), times: 150 })
  return Effect.repeat(found, { schedule: Schedule.spaced("50 millis"), until }).pipe(Effect.timeout("60 seconds"))
}

export const printed = (program: Program, line: RegExp, times: number) =>
  Effect.promise(() => program.until((output) => (output.match(line) ?? []).length >= times)).pipe(
    Effect.timeoutOrElse({
      duration: "60 seconds",
      orElse: () => Effect.die(new Error(`It has not printed ${line} ${times} times:\n${program.output()}`))
    })
  )

/** What it prints is shown if the wait fails, or what runs beside it. */
export const during = <A, E, R, E2>(beside: Fiber.Fiber<unknown, E2>, program: Program, wait: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(wait, Effect.andThen(Fiber.join(beside), Effect.never)).pipe(
    Effect.tapCause(() => Effect.sync(() => console.log(program.output())))
  )

export const working = (program: Program, times: number) => printed(program, / (?:works|goes on)\./g, times)

type Project = Effect.Success<ReturnType<typeof byKeyProject>>
type Outputs = Effect.Success<Project["outputs"]>

export const count = (logs: ReadonlyArray<ReadonlyArray<unknown>>) => logs.reduce((sum, log) => sum + log.length, 0)
const sizeOf = (outputs: Outputs["expected"]) =>
  outputs.reduce((sum, { late, rows }) => sum + rows.length + late.length, 0)
export const isWhole = ({ actual, expected }: Outputs) =>
  actual.reduce((sum, { late = [], rows = [] }) => sum + rows.length + late.length, 0) >= sizeOf(expected)

/** Also while the broker is away: every event is there once, a key in one partition, and the events of an input partition in their order. */
export const requireCopy = Effect.fnUntraced(function* ({ byKey, input, outputs }: Project, events: number) {
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
