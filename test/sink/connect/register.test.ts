/** New settings for a running sink, with Kafka Connect and its groups as mocks. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { register } from "../../../layers/sink/connect/register.ts"
import { Connector, type ConnectorConfig } from "../../../services/Connector.ts"
import { ConsumerGroups, GroupsUnavailable } from "../../../services/ConsumerGroups.ts"

const name = "iceberg-sink"

/** `readers` is the number of group members at each lookup, and -1 if the lookup fails; the last number repeats. */
const mocked = (state: string, config: ConnectorConfig, readers: ReadonlyArray<number>) => {
  const calls: Array<string> = []
  let current = state
  let look = 0
  const call = (what: string, next = current) =>
    Effect.sync(() => {
      calls.push(what)
      current = next
    })
  const connector = Layer.mock(Connector, {
    validate: () => Effect.succeed([]),
    config: () => Effect.succeed({ ...config, name }),
    status: () =>
      Effect.sync(() => ({
        name,
        connector: { state: current, worker: null, trace: null },
        tasks: [{ id: 0, state: current, worker: null, trace: null }]
      })),
    register: () => Effect.as(call("register"), "updated" as const),
    stop: () => call("stop", "STOPPED"),
    resume: () => call("resume", "RUNNING"),
    pause: () => call("pause", "PAUSED")
  })
  const groups = Layer.mock(ConsumerGroups, {
    find: (id) =>
      Effect.gen(function* () {
        const count = readers[Math.min(look++, readers.length - 1)] ?? 0
        if (count < 0)
          return yield* new GroupsUnavailable({ operation: "find", reason: "no broker answers", cause: "" })
        calls.push(`${count} in ${id}`)
        const members = Array.from({ length: count }, (_, i) => ({
          id: `${i}`,
          clientId: "",
          host: "",
          partitions: new Map()
        }))
        return Option.some({ id, state: "Stable", members, offsets: [] })
      })
  })
  const run = (wanted: ConnectorConfig) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.result(register(name, wanted)))
      yield* TestClock.adjust("3 minutes")
      const result = yield* Fiber.join(fiber)
      return { result, calls: calls.filter((call) => !call.startsWith("0 in")) }
    }).pipe(Effect.provide(Layer.merge(connector, groups)))
  return { run, calls }
}

it.effect("stops the connector, and starts it once its readers have left", () =>
  Effect.gen(function* () {
    const { run } = mocked("RUNNING", { a: "1" }, [1, 1, 1, 1, 0, 0])
    const { result, calls } = yield* run({ a: "2" })
    assert.strictEqual(result._tag === "Success" ? result.success : result.failure, "updated")
    assert.deepStrictEqual(
      calls.filter((call) => !call.includes(" in ")),
      ["stop", "register", "resume"]
    )
    const lastReader = calls.findLastIndex((call) => call.startsWith("1 in"))
    assert.isBelow(lastReader, calls.indexOf("register"))
  })
)

it.effect("keeps the connector stopped, with its new settings, while a coordinator outlives its task", () =>
  Effect.gen(function* () {
    const { run } = mocked("RUNNING", { a: "1" }, [1])
    const { result, calls } = yield* run({ a: "2" })
    assert.match(result._tag === "Failure" ? result.failure.message : "", /docker compose restart kafka-connect/)
    assert.deepStrictEqual(
      calls.filter((call) => !call.includes(" in ")),
      ["stop", "register"]
    )
  })
)

it.effect("resumes the old settings if the readers cannot be counted", () =>
  Effect.gen(function* () {
    const { run } = mocked("RUNNING", { a: "1" }, [1, -1])
    const { result, calls } = yield* run({ a: "2" })
    assert.match(result._tag === "Failure" ? result.failure.message : "", /no broker answers/)
    assert.deepStrictEqual(
      calls.filter((call) => !call.includes(" in ")),
      ["stop", "resume"]
    )
  })
)

it.effect(
  "restarts a connector with the same settings only if it has two coordinators; a paused one stays paused",
  () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* mocked("RUNNING", { a: "1" }, [1]).run({ a: "1" })).calls, [
        `1 in connect-${name}-coord`
      ])
      const doubled = yield* mocked("RUNNING", { a: "1" }, [2, 0]).run({ a: "1" })
      assert.includeMembers(doubled.calls, ["stop", "resume"])
      const paused = yield* mocked("PAUSED", { a: "1" }, [0]).run({ a: "2" })
      assert.deepStrictEqual(paused.calls, ["stop", "register", "pause"])
      const stopped = yield* mocked("STOPPED", { a: "1" }, [0]).run({ a: "2" })
      assert.deepStrictEqual(stopped.calls, ["register"])
    })
)

it.effect("reports a second coordinator that joins after the start", () =>
  Effect.gen(function* () {
    const { run } = mocked("RUNNING", { a: "1" }, [0, 0, 1, 1, 2])
    const { result } = yield* run({ a: "2" })
    assert.match(result._tag === "Failure" ? result.failure.message : "", /has two members/)
  })
)
