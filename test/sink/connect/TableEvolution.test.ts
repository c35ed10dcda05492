/** What an apply does to a stream's connector and table, with Kafka, Kafka Connect and Trino as mocks; test/stack/apply.test.ts has the rest. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { tableRefusal } from "../../../layers/sink/applyStream.ts"
import { dropUndeclared, planUndeclared } from "../../../layers/sink/dropUndeclared.ts"
import type { Column } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { TableEvolution } from "../../../services/TableEvolution.ts"
import { definition } from "../../log/streamsContract.ts"
import { type Columns, playedStack } from "./playedStack.ts"

const readings = definition("readings").definition
const withColumns = (columns: ReadonlyArray<Column>) => ({ ...readings, columns })
const int: Column = { name: "n", type: "int", required: false }
const text = (name: string, renamedFrom?: string): Column => ({
  name,
  type: "string",
  required: false,
  ...(renamedFrom !== undefined && { renamedFrom })
})

const restored = (state: string, begun: boolean, config = {}, isHeld = true) =>
  Effect.gen(function* () {
    const { calls, layer, now } = playedStack({ state, config })
    return yield* Effect.gen(function* () {
      const { begin, pending, record } = yield* Streams
      yield* record(definition("readings"))
      if (begun) yield* begin(definition("readings", 2), isHeld)
      const done = yield* (yield* TableEvolution).restore([definition("readings")])
      return { done, calls, now, pending: yield* pending }
    }).pipe(Effect.provide(layer))
  })

describe("a change that is not declared any more", () => {
  it.effect("is forgotten, and the connector that it stopped starts", () =>
    Effect.gen(function* () {
      const { calls, done, pending } = yield* restored("STOPPED", true)
      assert.deepStrictEqual(calls, ["register", "resume"])
      assert.include(done, "its change to version 2 is not declared any more, and dropped")
      assert.deepStrictEqual(pending, [])
    })
  )

  it.effect("leaves a connector that was paused before it paused", () =>
    Effect.gen(function* () {
      const { calls, now } = yield* restored("STOPPED", true, { "floe.paused": "true" })
      assert.deepStrictEqual(calls, ["pause", "register"])
      assert.notProperty(now.config, "floe.paused")
    })
  )

  it.effect("leaves a connector that somebody stopped as it is, also one that it had not stopped itself", () =>
    Effect.gen(function* () {
      const { calls } = yield* restored("STOPPED", false)
      assert.deepStrictEqual(calls, ["register"])
      const begun = yield* restored("STOPPED", true, {}, false)
      assert.deepStrictEqual([begun.calls, begun.now.state, begun.pending], [["register"], "STOPPED", []])
    })
  )

  it.effect("is dropped with its stream, unless the table has something of it", () =>
    Effect.gen(function* () {
      const first = firstVersion(withColumns([int]), 0)
      const second = nextVersion([first], withColumns([int, text("note")]), 0)
      const ended = (columns: Columns) =>
        Effect.gen(function* () {
          const { begin, pending, record } = yield* Streams
          yield* record(first)
          yield* begin(second)
          yield* begin(definition("other"))
          const planned = yield* planUndeclared(new Set(["other"]))
          assert.deepStrictEqual(
            planned.map(({ action, stream }) => [stream, action]),
            [["readings", columns.length === 1 ? "drop" : "keep"]]
          )
          const sentences = yield* dropUndeclared(new Set(["other"]))
          return { sentences, pending: (yield* pending).map(({ definition }) => definition.name) }
        }).pipe(Effect.provide(playedStack({ columns, state: "STOPPED" }).layer))
      const kept = yield* ended([
        ["n", "integer"],
        ["note", "varchar"]
      ])
      assert.deepStrictEqual(kept, {
        sentences: [
          "readings: a change to version 2 stopped after its table had it, so it cannot be dropped. Declare the stream again, and run floe streams apply to complete it."
        ],
        pending: ["readings", "other"]
      })
      const dropped = yield* ended([["n", "integer"]])
      assert.include(dropped.sentences, "readings: its change to version 2 is not declared any more, and dropped.")
      assert.deepStrictEqual(dropped.pending, ["other"])
    })
  )
})

describe("the creation of a stream that is not declared any more", () => {
  const ended = (topics: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const { begin, pending } = yield* Streams
      yield* begin(definition("readings"))
      const planned = yield* planUndeclared(new Set())
      const before = (yield* pending).length
      const done = yield* dropUndeclared(new Set())
      return { planned, before, done, after: (yield* pending).length }
    }).pipe(Effect.provide(playedStack({ hasTable: false, topics }).layer))

  it.effect("is planned, and then dropped, with the topics that stay and the command that removes them", () =>
    Effect.gen(function* () {
      const { after, before, done, planned } = yield* ended(["readings", "readings-dlq", "other"])
      const stay =
        "Its topics readings and readings-dlq stay; if no other program uses them, remove them with docker exec kafka kafka-topics --bootstrap-server localhost:9092 --delete --topic readings,readings-dlq"
      assert.deepStrictEqual(planned, [
        {
          stream: "readings",
          version: 1,
          action: "drop",
          sentence: `readings: its creation stopped before it had a table, and it is not declared any more; floe streams apply drops it. ${stay}`
        }
      ])
      assert.deepStrictEqual(done, [`readings: it is not declared any more, so its creation is dropped. ${stay}`])
      assert.deepStrictEqual([before, after], [1, 0])
    })
  )

  it.effect("names no topic where none was created", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* ended([])).done, [
        "readings: it is not declared any more, so its creation is dropped."
      ])
    })
  )
})

describe("a renamed column", () => {
  const first = firstVersion(withColumns([text("sensor")]), 0)
  const second = nextVersion([first], withColumns([text("device", "sensor")]), 0)
  const columns: Columns = [["sensor", "varchar"]]

  const evolving = (stack: ReturnType<typeof playedStack>) =>
    Effect.gen(function* () {
      yield* (yield* Streams).record(first)
      yield* (yield* TableEvolution).evolve(second, () => Effect.void)
    }).pipe(Effect.provide(stack.layer))

  it.effect("waits until the stopped connector has no readers any more", () =>
    Effect.gen(function* () {
      let readers = 1
      const stack = playedStack({ columns, readers: () => readers })
      const fiber = yield* Effect.forkChild(evolving(stack))
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(stack.calls, ["stop"])
      readers = 0
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(stack.calls, ["stop", "rename sensor to device", "register", "resume"])
    })
  )

  it.effect("is given up while readers stay, with the command that ends them, and the table is as it was", () =>
    Effect.gen(function* () {
      const stack = playedStack({ columns, readers: () => 1 })
      const fiber = yield* Effect.forkChild(Effect.flip(evolving(stack)))
      yield* TestClock.adjust("91 seconds")
      assert.strictEqual(
        (yield* Fiber.join(fiber)).message,
        "Readers are still in the groups connect-iceberg-sink-readings and connect-iceberg-sink-readings-coord although their connector is stopped; end them with docker compose restart kafka-connect."
      )
      assert.deepStrictEqual([stack.calls, stack.now.columns], [["stop"], columns])
    })
  )

  const completing = (stack: ReturnType<typeof playedStack>, isHeld: boolean) =>
    Effect.gen(function* () {
      const { begin, record } = yield* Streams
      yield* record(first)
      yield* begin(second, isHeld)
      yield* (yield* TableEvolution).evolve(second, () => Effect.void)
    }).pipe(Effect.provide(stack.layer))

  it.effect("starts a connector that an earlier call stopped, and not one that somebody stopped since", () =>
    Effect.gen(function* () {
      for (const isHeld of [true, false]) {
        const stack = playedStack({ columns, state: "STOPPED" })
        yield* completing(stack, isHeld)
        assert.deepStrictEqual(
          stack.calls,
          ["rename sensor to device", "register", ...(isHeld ? ["resume"] : [])],
          `held: ${isHeld}`
        )
      }
    })
  )

  it.effect("is noted as held while the connector is stopped, and only then", () =>
    Effect.gen(function* () {
      const stack = playedStack({ columns, stopFails: true })
      const { held, after } = yield* Effect.gen(function* () {
        const { pending, record } = yield* Streams
        yield* record(first)
        yield* Effect.flip((yield* TableEvolution).evolve(second, () => Effect.void))
        const held = (yield* pending).map(({ isHeld }) => isHeld)
        stack.now.stopFails = false
        yield* (yield* TableEvolution).evolve(second, () => Effect.void)
        return { held, after: (yield* pending).map(({ isHeld }) => isHeld) }
      }).pipe(Effect.provide(stack.layer))
      assert.deepStrictEqual([held, after], [[true], [undefined]])
    })
  )

  it.effect("stops a paused connector too, which is paused afterwards, whatever step an earlier call died after", () =>
    Effect.gen(function* () {
      const whole = playedStack({ columns, state: "PAUSED", config: { topics: "readings" } })
      yield* evolving(whole)
      const steps = ["register", "stop", "rename sensor to device", "pause", "register"]
      assert.deepStrictEqual(whole.calls, steps)
      assert.strictEqual(whole.now.state, "PAUSED")
      assert.notProperty(whole.now.config, "floe.paused")
      const marked = { topics: "readings", "floe.paused": "true" }
      for (const [state, config, columns] of [
        ["PAUSED", marked, [["sensor", "varchar"]]],
        ["STOPPED", marked, [["sensor", "varchar"]]],
        ["STOPPED", marked, [["device", "varchar"]]],
        ["PAUSED", marked, [["device", "varchar"]]],
        ["PAUSED", whole.now.config, [["device", "varchar"]]]
      ] as const) {
        const again = playedStack({ columns, state, config })
        yield* completing(again, false)
        assert.deepStrictEqual(
          [again.now.state, again.now.config, again.now.columns],
          ["PAUSED", whole.now.config, [["device", "varchar"]]]
        )
      }
    })
  )
})

describe("a plan", () => {
  const refusalOf = (columns: Columns, from: ReadonlyArray<Column>, to: ReadonlyArray<Column>) =>
    tableRefusal([firstVersion(withColumns(from), 0)], 0, withColumns(to)).pipe(
      Effect.provide(playedStack({ columns }).layer)
    )
  const counts = (type: "int" | "long", name = "counts"): Column => ({
    name,
    type: "list",
    element: { type },
    nullable: false,
    required: false
  })

  it.effect("names the changes that Trino does not have, and no others", () =>
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
        yield* refusalOf(
          before,
          [counts("int"), int],
          [counts("int"), { ...int, type: "long" }, counts("long", "more")]
        )
      )
    })
  )

  it.effect("names a column that another program gave the table with another type", () =>
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
})
