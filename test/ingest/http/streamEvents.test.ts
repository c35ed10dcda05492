import { DatabaseSync } from "node:sqlite"
import { gzipSync } from "node:zlib"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../../layers/log/sqlite/Streams.ts"
import { StreamDescription } from "../../../services/Api.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import type { AppliedStream, Column } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { temporary } from "../../support/dataFolder.ts"
import { assertRejected, exchange, json } from "./httpConnection.ts"

const columns: ReadonlyArray<Column> = [
  { name: "device", type: "uuid", required: true },
  { name: "celsius", type: "double", required: true },
  { name: "count", type: "long", required: false, doc: "How many" },
  { name: "place", type: "struct", required: false, fields: [{ name: "lat", type: "float", required: true }] },
  { name: "logged", type: "accepted", required: true }
]

const applied = (name: string, version = 1, more: ReadonlyArray<Column> = []): AppliedStream => ({
  definition: { name, columns: [...columns, ...more], key: "device", partitionBy: [] },
  version,
  ids: {},
  lastId: 0,
  appliedAt: version
})

const device = "8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c"
const at = Date.UTC(2026, 10, 27, 10, 11, 12, 345)
const time = "2026-11-27T10:11:12.345000Z"
const good = { device: device.toUpperCase(), celsius: 21.5, count: 9 }
const canonical = `{"device":"${device}","celsius":21.5,"count":"9","logged":"${time}"}`

const asJson = { "Content-Type": "application/json" }

const post = (body: unknown, headers: Readonly<Record<string, string>> = {}, target = "/streams/readings/events") =>
  Effect.flatMap(HttpServer, ({ port }) =>
    exchange(port, "POST", target, { ...asJson, ...headers }, typeof body === "string" ? body : JSON.stringify(body))
  )
const get = (target: string) => Effect.flatMap(HttpServer, ({ port }) => exchange(port, "GET", target))

const recordsOf = Effect.fnUntraced(function* (stream: string) {
  const reader = (yield* EventLogReader).of(stream)
  const events = yield* Stream.runCollect(reader.read({ partition: 0, offset: 0 }, { until: "end" }))
  return events.map(({ record }) => record)
})

/** What a request adds to the log and to the dead letters. */
const added = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { log } = yield* DataFolder
    const letters = () => {
      const database = new DatabaseSync(log, { readOnly: true })
      try {
        return database.prepare("SELECT stream, value, reason FROM dead_letters ORDER BY id").all()
      } finally {
        database.close()
      }
    }
    const before = [(yield* recordsOf("readings")).length, letters().length] as const
    const result = yield* effect
    const records = (yield* recordsOf("readings")).slice(before[0])
    return {
      result,
      records,
      letters: letters()
        .slice(before[1])
        .map((letter) => ({ ...letter })),
      before: before[0]
    }
  })

const rejectsAll = (body: unknown, status: number, field: string, headers = {}, target?: string) =>
  Effect.gen(function* () {
    const { result, records, letters } = yield* added(post(body, headers, target))
    const rejected = assertRejected(result, status, field)
    assert.deepStrictEqual([records, letters], [[], []])
    return rejected
  })

const recorded = Layer.effectDiscard(
  Effect.gen(function* () {
    const streams = yield* Streams
    yield* streams.record(applied("readings"))
    yield* streams.record(applied("clicks"))
    yield* TestClock.setTime(at)
  })
)

const server = HttpServer.at("127.0.0.1", 0).pipe(
  Layer.provideMerge(recorded),
  Layer.provideMerge(StreamsLayer.layer),
  Layer.provideMerge(EventLogLayer.layer),
  Layer.provideMerge(temporary)
)

layer(server)("POST /streams/{name}/events", (it) => {
  it.effect("logs events in canonical form, in their order", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at)
      const other = { celsius: -0.0, device, place: { lat: 1 }, count: null }
      const { result, records, before } = yield* added(post([good, other]))
      assert.strictEqual(result.status, 200, result.body)
      assert.deepStrictEqual(json(result), {
        status: "success",
        message: "2 events logged",
        data: { count: 2, positions: [{ partition: 0, offset: before, count: 2 }] }
      })
      assert.deepStrictEqual(records, [
        canonical,
        `{"device":"${device}","celsius":0,"place":{"lat":1},"logged":"${time}"}`
      ])
      assert.deepStrictEqual(yield* recordsOf("clicks"), [])
    })
  )

  it.effect("takes one object, NDJSON and gzip", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at)
      const lines = `${JSON.stringify(good)}\r\n${JSON.stringify(good)}\n`
      const one = yield* added(post(good))
      assert.deepStrictEqual(one.records, [canonical])
      const many = yield* added(post(lines, { "Content-Type": "application/x-ndjson" }))
      assert.deepStrictEqual(many.records, [canonical, canonical])
      const { port } = yield* HttpServer
      const headers = { ...asJson, "Content-Encoding": "gzip" }
      const zipped = yield* added(
        exchange(port, "POST", "/streams/readings/events", headers, gzipSync(JSON.stringify([good])))
      )
      assert.deepStrictEqual(zipped.records, [canonical])
    })
  )

  it.effect("rejects a request with an event that does not fit, and names index and field", () =>
    Effect.gen(function* () {
      const { message, errors } = yield* rejectsAll(
        [good, { ...good, celsius: "warm" }, { device, celsius: 1, x: 1 }],
        400,
        "[1].celsius"
      )
      assert.strictEqual(
        message,
        "The request is invalid: [1].celsius must be a JSON number in the range of a double, and 1 more."
      )
      assert.deepStrictEqual(errors[1], { field: "[2].x", message: "is not a known field" })
      yield* rejectsAll([{ ...good, logged: time }], 400, "[0].logged")
      yield* rejectsAll(`[${JSON.stringify(good)}`, 400, "body")
      yield* rejectsAll([], 400, "body")
      yield* rejectsAll("[".repeat(100_000), 400, "[0]")
      yield* rejectsAll(Array(10_001).fill(good), 413, "body")
      yield* rejectsAll({ ...good, device: "x".repeat(1_100_000) }, 413, "[0]")
      yield* rejectsAll([good], 415, "Content-Type", { "Content-Type": "text/csv" })
      yield* rejectsAll([good], 400, "Idempotency-Key", { "Idempotency-Key": "a b" })
      yield* rejectsAll([good], 400, "invalid", {}, "/streams/readings/events?invalid=drop")
      yield* rejectsAll([good], 400, "dry", {}, "/streams/readings/events?dry=1")
    })
  )

  it.effect("names the path of the events where they are sent to the stream itself", () =>
    Effect.gen(function* () {
      const answer = yield* post([good], {}, "/streams/readings")
      assert.deepStrictEqual([answer.status, answer.headers.get("allow")], [405, "GET, HEAD"])
      assert.include(
        answer.body,
        "The method POST is not allowed here; use GET, HEAD, and send events to /streams/readings/events."
      )
      assert.include((yield* post([good], {}, "/streams/raedings")).body, "did you mean readings?")
    })
  )

  it.effect("names the nearest stream for one that there is not", () =>
    Effect.gen(function* () {
      const { message } = assertRejected(yield* post([good], {}, "/streams/raedings/events"), 404)
      assert.strictEqual(message, "There is no stream raedings; did you mean readings?")
      const other = assertRejected(yield* get("/streams/orders"), 404)
      assert.strictEqual(other.message, "There is no stream orders; GET /streams lists them all.")
      assertRejected(yield* post([good], {}, "/streams/readings/events/"), 404)
      assert.strictEqual((yield* get("/streams/readings/events")).headers.get("allow"), "POST")
    })
  )

  it.effect("with invalid=dead-letter logs what fits, and keeps the rest with the reason", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at)
      const target = "/streams/readings/events?invalid=dead-letter"
      const body = `[{"celsius":1},${JSON.stringify(good)}, { "device" : "x", "celsius": 1e400 } ]`
      const { result, records, letters, before } = yield* added(post(body, {}, target))
      assert.strictEqual(result.status, 200, result.body)
      const reason =
        "device must be a UUID, for example 8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c; celsius must be a JSON number in the range of a double"
      assert.deepStrictEqual(json(result), {
        status: "success",
        message: "1 event logged, 2 events kept as dead letters",
        data: {
          count: 1,
          positions: [{ partition: 0, offset: before, count: 1 }],
          rejected: [
            { index: 0, reason: "device is required" },
            { index: 2, reason }
          ]
        }
      })
      assert.deepStrictEqual(records, [canonical])
      assert.deepStrictEqual(letters, [
        { stream: "readings", value: '{"celsius":1}', reason: "device is required" },
        { stream: "readings", value: '{ "device" : "x", "celsius": 1e400 }', reason }
      ])
      const none = yield* added(post("[1]", {}, target))
      assert.strictEqual(none.result.status, 200, none.result.body)
      assert.deepStrictEqual(none.letters, [{ stream: "readings", value: "1", reason: "it must be an object" }])
      const lines = yield* added(post(`{\n${JSON.stringify(good)}`, { "Content-Type": "application/x-ndjson" }, target))
      assert.deepStrictEqual(lines.records, [canonical])
      assert.deepStrictEqual(lines.letters, [{ stream: "readings", value: "{", reason: "it is not valid JSON" }])
    })
  )

  it.effect("logs a repeat with the same Idempotency-Key once, whatever its form and its time", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(at)
      const key = { "Idempotency-Key": "repeat" }
      const first = yield* added(post([good], key))
      yield* TestClock.setTime(at + 60_000)
      const again = yield* added(post(`{"count":"9","celsius":2.15e1, "device":"${device}"}`, key))
      assert.strictEqual(again.result.headers.get("floe-repeated"), "true")
      assert.deepStrictEqual(json(again.result), json(first.result))
      assert.deepStrictEqual([first.records.length, again.records.length], [1, 0])
      assertRejected(yield* post([good], key, "/streams/readings/events?invalid=dead-letter"), 422, "Idempotency-Key")
      assertRejected(yield* post([{ ...good, celsius: 22 }], key), 422, "Idempotency-Key")
      assert.strictEqual((yield* post([good], key, "/streams/clicks/events")).headers.get("floe-repeated"), undefined)
    })
  )

  it.effect("to weather does what POST /events does", () =>
    Effect.gen(function* () {
      const body = [{ city: "Oslo", temperature: 1.5 }]
      const key = { "Idempotency-Key": "weather" }
      const one = yield* post(body, key, "/streams/weather/events")
      assert.strictEqual(one.status, 200, one.body)
      const other = yield* post(body, key, "/events")
      assert.strictEqual(other.headers.get("floe-repeated"), "true")
      assert.deepStrictEqual(json(one), json(other))
    })
  )

  it.effect("takes an applied change within a second", () =>
    Effect.gen(function* () {
      const streams = yield* Streams
      const events = "/streams/orders2/events"
      assertRejected(yield* post([good], {}, events), 404)
      yield* streams.record(applied("orders2"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* post([good], {}, events)).status, 200)
      yield* rejectsAll([{ ...good, note: "a" }], 400, "[0].note", {}, events)
      yield* streams.record(applied("orders2", 2, [{ name: "note", type: "string", required: false }]))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* post([{ ...good, note: "a" }], {}, events)).status, 200)
      const one = Schema.decodeUnknownSync(Schema.Struct({ data: StreamDescription }))(
        json(yield* get("/streams/orders2"))
      )
      assert.strictEqual(one.data.version, 2)
      assert.strictEqual(one.data.events, 2)
      assert.deepStrictEqual(one.data.columns.at(-1), { name: "note", type: "string", required: false })
      const list = Schema.decodeUnknownSync(Schema.Struct({ data: Schema.Array(StreamDescription) }))(
        json(yield* get("/streams"))
      )
      assert.deepStrictEqual(
        list.data.map(({ name }) => name),
        ["weather", "clicks", "orders2", "readings"]
      )
      for (const { events, name } of list.data) {
        const logged = yield* Stream.runCount(
          (yield* EventLogReader).of(name).read({ partition: 0, offset: 0 }, { until: "end" })
        )
        assert.strictEqual(events, logged, name)
      }
      const Paths = Schema.Struct({ paths: Schema.Record(Schema.String, Schema.Unknown) })
      const { paths } = Schema.decodeUnknownSync(Paths)(json(yield* get("/openapi.json")))
      assert.property(paths, events)
      assert.include((yield* get("/docs")).body, "Event_orders2")
      // What the page proposes can be sent as it is; JSON comes first, as the page chooses that.
      const Content = Schema.Record(Schema.String, Schema.Struct({ example: Schema.Unknown }))
      const Post = Schema.Struct({ post: Schema.Struct({ requestBody: Schema.Struct({ content: Content }) }) })
      const { content } = Schema.decodeUnknownSync(Post)(paths[events]).post.requestBody
      assert.strictEqual(Object.keys(content)[0], "application/json")
      for (const [type, { example }] of Object.entries(content)) {
        assert.strictEqual((yield* post(example, { "Content-Type": type }, events)).status, 200, type)
      }
    })
  )
})
