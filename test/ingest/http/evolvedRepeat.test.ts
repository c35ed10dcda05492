/** A request that is repeated after its stream has changed is answered as it was the first time. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { compareStreams, nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../../layers/log/sqlite/Streams.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import type { AppliedStream, Column } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { temporary } from "../../support/dataFolder.ts"
import { otherColumns, widerColumns } from "../../support/evolutions.ts"
import { eventOf, someColumns } from "../../support/someStreams.ts"
import { assertRejected, exchange, json } from "./httpConnection.ts"

const server = HttpServer.at("127.0.0.1", 0).pipe(
  Layer.provideMerge(StreamsLayer.layer),
  Layer.provideMerge(EventLogLayer.layer),
  Layer.provideMerge(temporary)
)

type History = [...Array<AppliedStream>, AppliedStream]

const definitionOf = (name: string, columns: ReadonlyArray<Column>) => ({ name, columns, key: null, partitionBy: [] })

const create = Effect.fnUntraced(function* (name: string, columns: ReadonlyArray<Column>) {
  const first = firstVersion(definitionOf(name, columns), 1)
  yield* (yield* Streams).record(first)
  const history: History = [first]
  yield* TestClock.adjust("1 second")
  return history
})

const change = Effect.fnUntraced(function* (history: History, columns: ReadonlyArray<Column>) {
  const wanted = definitionOf(history[0].definition.name, columns)
  const { changes, refusals } = compareStreams(history, wanted)
  assert.deepStrictEqual(refusals, [], "the change is allowed")
  if (changes.length === 0) return
  const next = nextVersion(history, wanted, history.length + 1)
  yield* (yield* Streams).record(next)
  history.push(next)
  yield* TestClock.adjust("1 second")
})

const post = (name: string, body: unknown, key: string, query = "") =>
  Effect.flatMap(HttpServer, ({ port }) =>
    exchange(
      port,
      "POST",
      `/streams/${name}/events${query}`,
      { "Content-Type": "application/json", "Idempotency-Key": key },
      JSON.stringify(body)
    )
  )

const logged = Effect.fnUntraced(function* (name: string) {
  const events = (yield* EventLogReader).of(name).read({ partition: 0, offset: 0 }, { until: "end" })
  return (yield* Stream.runCollect(events)).length
})

let made = 0
const given = someColumns.chain((columns) =>
  fc.record({
    columns: fc.constant(columns),
    events: fc.array(eventOf(columns), { minLength: 1, maxLength: 3 }),
    first: widerColumns(columns).chain((first) =>
      fc.record({ first: fc.constant(first), second: widerColumns(first) })
    ),
    other: otherColumns(columns),
    query: fc.constantFrom("", "?invalid=dead-letter")
  })
)

type Given = typeof given extends fc.Arbitrary<infer A> ? A : never

layer(server)("A repeat after a change of the stream", (it) => {
  const holds = ({ columns, events, first, other, query }: Given) =>
    Effect.gen(function* () {
      const name = `s${made++}`
      const history = yield* create(name, columns)
      const before = yield* post(name, events, "key", query)
      assert.strictEqual(before.status, 200, before.body)
      for (const columns of [first.first, first.second]) {
        yield* change(history, columns)
        const again = yield* post(name, events, "key", query)
        assert.strictEqual(again.status, 200, again.body)
        assert.deepStrictEqual(json(again), json(before))
        assert.strictEqual(again.headers.get("floe-repeated"), "true")
      }
      assert.strictEqual(yield* logged(name), events.length)
      const reused = yield* post(name, [...events, ...events], "key", query)
      assertRejected(reused, 422, "Idempotency-Key")

      // Without the column that the events have, they are rejected, and logged no second time.
      const another = `s${made++}`
      const others = yield* create(another, columns)
      yield* post(another, events, "key")
      yield* change(others, other.columns)
      const later = yield* post(another, events, "key")
      const has = events.some((event) => event[other.gone] !== undefined)
      assert.strictEqual(later.status, has ? 400 : 200, later.body)
      assert.strictEqual(yield* logged(another), events.length)
    })

  it.effect(
    "is answered as the first request, whatever was widened, made optional or added in between",
    () =>
      Effect.gen(function* () {
        const services = yield* Effect.context<Effect.Services<ReturnType<typeof holds>>>()
        const property = fc.asyncProperty(given, (one) => Effect.runPromiseWith(services)(holds(one)))
        yield* Effect.promise(() => fc.assert(property, { numRuns: 15 }))
      }),
    60_000
  )

  it.effect("also if the first request kept an event that fits now as a dead letter", () =>
    Effect.gen(function* () {
      const id: Column = { name: "id", type: "int", required: true }
      const history = yield* create("letters", [id])
      const events = [{ id: 1 }, { id: 2, note: "x" }]
      const before = yield* post("letters", events, "key", "?invalid=dead-letter")
      const onlyLetters = yield* post("letters", [{ note: "y" }], "letter", "?invalid=dead-letter")
      assert.deepStrictEqual([before.status, onlyLetters.status], [200, 200])
      yield* change(history, [
        { ...id, type: "long", required: false },
        { name: "note", type: "string", required: false }
      ])
      for (const [first, again] of [
        [before, yield* post("letters", events, "key", "?invalid=dead-letter")],
        [onlyLetters, yield* post("letters", [{ note: "y" }], "letter", "?invalid=dead-letter")]
      ] as const) {
        assert.strictEqual(again.status, 200, again.body)
        assert.deepStrictEqual(json(again), json(first))
      }
      assert.strictEqual(yield* logged("letters"), 1)
    })
  )
})
