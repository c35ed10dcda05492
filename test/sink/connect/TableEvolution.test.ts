/** What an apply brings back, with Kafka, Kafka Connect and Trino as mocks; test/stack/apply.test.ts has the rest. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import * as StreamsLayer from "../../../layers/log/memory/Streams.ts"
import * as TableEvolutionLayer from "../../../layers/sink/connect/TableEvolution.ts"
import { Connector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { Query } from "../../../services/Query.ts"
import { Streams } from "../../../services/Streams.ts"
import { TableEvolution } from "../../../services/TableEvolution.ts"
import { Topics } from "../../../services/Topics.ts"
import { definition } from "../../log/streamsContract.ts"

const connectorIn = (state: string, calls: Array<string>) => {
  let current = state
  return Layer.mock(Connector, {
    names: Effect.succeed(["iceberg-sink", "iceberg-sink-readings"]),
    validate: () => Effect.succeed([]),
    config: (name) => Effect.succeed({ name }),
    status: (name) =>
      Effect.sync(() => ({ name, connector: { state: current, worker: null, trace: null }, tasks: [] })),
    register: () => Effect.sync(() => void calls.push("register")).pipe(Effect.as("updated" as const)),
    resume: () =>
      Effect.sync(() => {
        calls.push("resume")
        current = "RUNNING"
      })
  })
}

const restored = (state: string, begun: boolean) =>
  Effect.gen(function* () {
    const calls: Array<string> = []
    const mocks = Layer.mergeAll(
      StreamsLayer.layer,
      connectorIn(state, calls),
      Layer.mock(ConsumerGroups, { find: () => Effect.succeed(Option.none()) }),
      Layer.mock(Query, {}),
      Layer.mock(Topics, {
        create: ({ name }) => Effect.succeed({ name, made: false, differences: [] }),
        begin: () => Effect.succeed(false)
      })
    )
    return yield* Effect.gen(function* () {
      const { begin, pending, record } = yield* Streams
      yield* record(definition("readings"))
      if (begun) yield* begin(definition("readings", 2))
      const done = yield* (yield* TableEvolution).restore([definition("readings")])
      return { done, calls, pending: yield* pending }
    }).pipe(Effect.provide(TableEvolutionLayer.layer.pipe(Layer.provideMerge(mocks))))
  })

it.effect("a change that the declaration dropped is forgotten, and the connector that it stopped starts", () =>
  Effect.gen(function* () {
    const { calls, done, pending } = yield* restored("STOPPED", true)
    assert.deepStrictEqual(calls, ["register", "resume"])
    assert.include(done, "its change to version 2 is not declared any more, and dropped")
    assert.deepStrictEqual(pending, [])
  })
)

it.effect("a connector that somebody stopped stays so", () =>
  Effect.gen(function* () {
    const { calls } = yield* restored("STOPPED", false)
    assert.deepStrictEqual(calls, ["register"])
  })
)
