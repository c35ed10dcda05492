/** What an apply brings back, with Kafka, Kafka Connect and Trino as mocks; test/stack/apply.test.ts has the rest. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import * as StreamsLayer from "../../../layers/log/memory/Streams.ts"
import { tableRefusal } from "../../../layers/sink/applyStream.ts"
import * as TableEvolutionLayer from "../../../layers/sink/connect/TableEvolution.ts"
import { Connector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { Query } from "../../../services/Query.ts"
import type { Column } from "../../../services/StreamDefinition.ts"
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

type Columns = ReadonlyArray<readonly [name: string, type: string]>

const shownTable = `CREATE TABLE iceberg.default.readings (
   celsius double
)
WITH (
   format = 'PARQUET',
   format_version = 2,
   location = 's3a://warehouse/default/readings'
)`

/** A Trino whose table readings has these columns. */
const trinoWith = (columns: Columns) =>
  Layer.mock(Query, {
    execute: (sql) =>
      Effect.succeed({
        columns: [],
        rows: Stream.fromIterable(
          sql.startsWith("SHOW CREATE TABLE")
            ? [[shownTable]]
            : columns.map(([name, type]) => [name, type, "YES", null])
        )
      })
  })

const refusalOf = (columns: Columns, from: ReadonlyArray<Column>, to: ReadonlyArray<Column>) => {
  const { definition: former } = definition("readings")
  const mocks = Layer.mergeAll(
    StreamsLayer.layer,
    Layer.mock(Connector, {}),
    Layer.mock(ConsumerGroups, {}),
    trinoWith(columns),
    Layer.mock(Topics, {})
  )
  return tableRefusal([firstVersion({ ...former, columns: from }, 0)], 0, { ...former, columns: to }).pipe(
    Effect.provide(TableEvolutionLayer.layer.pipe(Layer.provide(mocks)))
  )
}

const counts = (type: "int" | "long", name = "counts"): Column => ({
  name,
  type: "list",
  element: { type },
  nullable: false,
  required: false
})
const int: Column = { name: "n", type: "int", required: false }

it.effect("a plan names the changes that Trino does not have, and no others", () =>
  Effect.gen(function* () {
    const before: Columns = [
      ["counts", "array(integer)"],
      ["n", "integer"]
    ]
    assert.strictEqual(
      yield* refusalOf(before, [counts("int"), int], [counts("long"), int]),
      "its table default.readings cannot follow: Trino cannot change counts.element from integer to bigint, as it is within a list or a map; declare a new optional column instead, or a new stream"
    )
    assert.isUndefined(
      yield* refusalOf(before, [counts("int"), int], [counts("int"), { ...int, type: "long" }, counts("long", "more")])
    )
  })
)

it.effect("a plan names a column that another program gave the table with another type", () =>
  Effect.gen(function* () {
    const columns: Columns = [
      ["n", "integer"],
      ["theirs", "varchar"]
    ]
    assert.include(
      yield* refusalOf(columns, [int], [int, { ...int, name: "theirs" }]),
      "its column theirs is varchar instead of integer"
    )
    assert.isUndefined(yield* refusalOf(columns, [int], [int, { ...int, name: "ours" }]))
  })
)
