import { gzipSync } from "node:zlib"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import { assertRejected, connection, exchange, json, logged, loggingNothing, request } from "./httpConnection.ts"
import { invalidCity, invalidTemperature, validCity, validTemperature } from "./readings.ts"

const asJson = { "Content-Type": "application/json" }
const asNdjson = { "Content-Type": "application/x-ndjson" }
const mebibyte = 1024 * 1024
const oslo = { city: "Oslo", temperature: "1.5" }
const lima = { city: "Lima", temperature: "-2e1" }
const lines = (values: ReadonlyArray<unknown>) => values.map((value) => JSON.stringify(value)).join("\n")

const gzippedLines = { ...asNdjson, "Content-Encoding": "gzip" }
const damaged = gzipSync(`\n${lines([lima])}`).fill(0, 0, 1)

const post = (body: string | Uint8Array, headers: Readonly<Record<string, string>> = asJson) =>
  Effect.flatMap(HttpServer, ({ port }) => exchange(port, "POST", "/events", headers, body))

const added = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = (yield* logged).length
    const result = yield* effect
    return { result, records: (yield* logged).slice(before), before }
  })

layer(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(Memory.layer)))(
  "POST /events",
  (it) => {
    it.effect("logs an array in its order, and reports where", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(Date.UTC(2026, 0, 8, 14))
        const ts = "2026-01-08-14"
        const { result, records, before } = yield* added(post(JSON.stringify([oslo, lima, oslo])))
        assert.strictEqual(result.status, 200, result.body)
        assert.deepStrictEqual(json(result), {
          status: "success",
          message: "3 events logged",
          data: { count: 3, ts, positions: [{ partition: 0, offset: before, count: 3 }] }
        })
        assert.strictEqual(result.headers.get("content-type"), "application/json")
        assert.deepStrictEqual(records, [
          { ...oslo, ts },
          { ...lima, ts },
          { ...oslo, ts }
        ])
      })
    )

    const bodies: ReadonlyArray<readonly [string, string | Uint8Array, Record<string, string>, number]> = [
      ["one object", JSON.stringify(oslo), asJson, 1],
      ["what looks like fields", JSON.stringify([{ ...oslo, city: `{"city":"a","city":` }, lima]), asJson, 2],
      ["fields in another order", `[{"temperature":"1","city":"a"}]`, asJson, 1],
      ["a charset", JSON.stringify([oslo]), { "Content-Type": `Application/JSON; charset="UTF-8"` }, 1],
      ["NDJSON", lines([oslo, lima]), asNdjson, 2],
      ["NDJSON with blank lines at its end", `${lines([oslo, lima])}\r\n\n  \n`, asNdjson, 2],
      ["NDJSON with CRLF", lines([oslo, lima]).replace("\n", "\r\n"), asNdjson, 2],
      ["application/ndjson", lines([oslo]), { "Content-Type": "application/ndjson" }, 1],
      ["application/jsonl", lines([oslo]), { "Content-Type": "application/jsonl" }, 1],
      ["gzip", gzipSync(JSON.stringify([oslo, lima])), { ...asJson, "Content-Encoding": "gzip" }, 2],
      ["gzip in members", Buffer.concat([gzipSync(lines([oslo])), gzipSync(`\n${lines([lima])}`)]), gzippedLines, 2],
      ["identity", JSON.stringify([oslo]), { ...asJson, "Content-Encoding": "identity" }, 1],
      [
        "chunks",
        `6\r\n[{"cit\r\n1f\r\ny":"Oslo","temperature":"1.5"}]\r\n0\r\n\r\n`,
        { ...asJson, "Transfer-Encoding": "chunked" },
        1
      ],
      ["10,000 records", JSON.stringify(Array(10_000).fill(oslo)), asJson, 10_000],
      ["10,000 lines", lines(Array(10_000).fill(oslo)), asNdjson, 10_000],
      ["exactly 5 MiB", JSON.stringify([oslo]).padEnd(5 * mebibyte), asJson, 1]
    ]
    for (const [name, body, headers, count] of bodies) {
      it.effect(`takes ${name}`, () =>
        Effect.gen(function* () {
          const { result, records } = yield* added(post(body, headers))
          assert.strictEqual(result.status, 200, result.body)
          assert.lengthOf(records, count)
        })
      )
    }

    const bad = (record: unknown) => JSON.stringify([oslo, oslo, oslo, record])
    const errors: ReadonlyArray<
      readonly [name: string, body: string | Uint8Array, headers: Record<string, string>, status: number, field: string]
    > = [
      ["what is not JSON", "hello", asJson, 400, "body"],
      ["JSON cut off", `[{"city":"a"`, asJson, 400, "body"],
      ["nothing", "", asJson, 400, "body"],
      ["a number", "5", asJson, 400, "body"],
      ["null", "null", asJson, 400, "body"],
      ["an empty array", "[]", asJson, 400, "body"],
      ["an array in an array", bad([oslo]), asJson, 400, "[3]"],
      ["null in an array", bad(null), asJson, 400, "[3]"],
      ["text in an array", bad("Oslo"), asJson, 400, "[3]"],
      ["a record without a city", bad({ temperature: "1" }), asJson, 400, "[3].city"],
      ["an empty city", bad({ ...oslo, city: "" }), asJson, 400, "[3].city"],
      ["a city of 257 characters", bad({ ...oslo, city: "x".repeat(257) }), asJson, 400, "[3].city"],
      ["a newline in a city", bad({ ...oslo, city: "a\nb" }), asJson, 400, "[3].city"],
      ["NUL in a city", bad({ ...oslo, city: "a\0" }), asJson, 400, "[3].city"],
      ["a city that is null", bad({ ...oslo, city: null }), asJson, 400, "[3].city"],
      ["a nested city", bad({ ...oslo, city: { a: 1 } }), asJson, 400, "[3].city"],
      ["a record without a temperature", bad({ city: "a" }), asJson, 400, "[3].temperature"],
      ["a city that is a number", bad({ ...oslo, city: 5 }), asJson, 400, "[3].city"],
      ["a temperature that is true", bad({ ...oslo, temperature: true }), asJson, 400, "[3].temperature"],
      ["a number of 33 digits", `[{"city":"a","temperature":${"1".repeat(33)}}]`, asJson, 400, "[0].temperature"],
      ["a number that no double holds", `[{"city":"a","temperature":1e400}]`, asJson, 400, "[0].temperature"],
      ["a number twice", `{"city":"a","temperature":1,"temperature":2}`, asJson, 400, "[0]"],
      ...["abc", "NaN", "Infinity", "1e400", "0x10", "+5", ".5", "5.", "1_000", " 5 ", "", "1".repeat(10_000)].map(
        (temperature) =>
          [
            `temperature ${JSON.stringify(temperature.slice(0, 12))}`,
            bad({ ...oslo, temperature }),
            asJson,
            400,
            "[3].temperature"
          ] as const
      ),
      ["a lone surrogate", String.raw`[{"city":"\ud800","temperature":"1"}]`, asJson, 400, "[0].city"],
      ["invalid UTF-8", Buffer.from(`[{"city":"\xff","temperature":"1"}]`, "latin1"), asJson, 400, "body"],
      ["an unknown field", bad({ ...oslo, humidity: "1" }), asJson, 400, "[3].humidity"],
      ["__proto__", `[{"city":"a","temperature":"1","__proto__":{"a":1}}]`, asJson, 400, "[0].__proto__"],
      [
        "a field twice",
        `[{"city":"a","temperature":"1"},{"city":"a","city":"b","temperature":"1"}]`,
        asJson,
        400,
        "[1]"
      ],
      ["a field twice, once escaped", String.raw`{"city":"a","\u0063ity":"a","temperature":"1"}`, asJson, 400, "[0]"],
      [
        "a field twice in a line",
        `${lines([oslo])}\n{"city":"a","temperature":"1","temperature":"2"}`,
        asNdjson,
        400,
        "[1]"
      ],
      ["ts from the caller", bad({ ...oslo, ts: "2026-01-08-14" }), asJson, 400, "[3].ts"],
      ["ts in a single object", JSON.stringify({ ...oslo, ts: "2026-01-08-14" }), asJson, 400, "[0].ts"],
      ["a bad line", `${lines([oslo])}\n{"city"\n${lines([oslo])}`, asNdjson, 400, "[1]"],
      ["a bad record in a line", lines([oslo, { ...oslo, temperature: null }]), asNdjson, 400, "[1].temperature"],
      ["a blank line between", `${lines([oslo])}\n\n${lines([oslo])}`, asNdjson, 400, "[1]"],
      ["nothing but blank lines", "\n\n", asNdjson, 400, "body"],
      ["an array as NDJSON", lines([[oslo]]), asNdjson, 400, "[0]"],
      ["two objects as JSON", lines([oslo, oslo]), asJson, 400, "body"],
      ["10,001 records", JSON.stringify(Array(10_001).fill(oslo)), asJson, 413, "body"],
      ["10,001 lines", lines(Array(10_001).fill(oslo)), asNdjson, 413, "body"],
      ["5 MiB + 1 byte", JSON.stringify([oslo]).padEnd(5 * mebibyte + 1), asJson, 413, "body"],
      [
        "5 MiB + 1 byte inflated",
        gzipSync(JSON.stringify([oslo]).padEnd(5 * mebibyte + 1)),
        { ...asJson, "Content-Encoding": "gzip" },
        413,
        "body"
      ],
      ["what is not gzip", JSON.stringify([oslo]), { ...asJson, "Content-Encoding": "gzip" }, 400, "body"],
      [
        "gzip cut off",
        gzipSync(JSON.stringify([oslo])).subarray(0, 30),
        { ...asJson, "Content-Encoding": "gzip" },
        400,
        "body"
      ],
      [
        "gzip with more after it",
        Buffer.concat([gzipSync(lines([oslo])), Buffer.from("more")]),
        gzippedLines,
        400,
        "body"
      ],
      // Node takes what begins with a zero for padding.
      [
        "gzip with a member that is damaged",
        Buffer.concat([gzipSync(lines([oslo])), damaged]),
        gzippedLines,
        400,
        "body"
      ],
      ["no content type", JSON.stringify(oslo), {}, 415, "Content-Type"],
      ["text/plain", JSON.stringify(oslo), { "Content-Type": "text/plain" }, 415, "Content-Type"],
      ["a form", "city=a&temperature=1", { "Content-Type": "application/x-www-form-urlencoded" }, 415, "Content-Type"],
      ["UTF-16", JSON.stringify(oslo), { "Content-Type": "application/json; charset=utf-16" }, 415, "Content-Type"],
      ["brotli", "x", { ...asJson, "Content-Encoding": "br" }, 415, "Content-Encoding"],
      ["two encodings", "x", { ...asJson, "Content-Encoding": "gzip, gzip" }, 415, "Content-Encoding"],
      ["a bad key", JSON.stringify(oslo), { ...asJson, "Idempotency-Key": "a b" }, 400, "Idempotency-Key"]
    ]
    for (const [name, body, headers, status, field] of errors) {
      it.effect(`rejects ${name} with ${status}, naming ${field}`, () =>
        loggingNothing(Effect.map(post(body, headers), (answer) => assertRejected(answer, status, field)))
      )
    }

    it.effect("rejects a chunked body once it is over 5 MiB", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer } = yield* connection(port)
          send(request("POST", "/events", { ...asJson, "Transfer-Encoding": "chunked" }))
          for (let i = 0; i < 6; i++) send(`100000\r\n${" ".repeat(mebibyte)}\r\n`)
          assertRejected(yield* answer(), 413, "body")
        })
      )
    )

    it.effect("rejects an announced length over 5 MiB before a byte of it came, and asks for none", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer, closed } = yield* connection(port)
          const headers = { ...asJson, "Content-Length": String(5 * mebibyte + 1), Expect: "100-continue" }
          send(request("POST", "/events", headers))
          const got = yield* answer()
          assertRejected(got, 413, "body")
          assert.strictEqual(got.headers.get("connection"), "close")
          assert.strictEqual(yield* closed, "")
        })
      )
    )

    it.effect("asks for a body that waits for 100-continue, and rejects other expectations", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const { send, answer } = yield* connection(port)
        const body = JSON.stringify(oslo)
        send(request("POST", "/events", { ...asJson, "Content-Length": String(body.length), Expect: "100-continue" }))
        assert.strictEqual((yield* answer()).status, 100)
        send(body)
        assert.strictEqual((yield* answer()).status, 200)
        send(request("POST", "/events", { ...asJson, Expect: "a-miracle" }, body))
        assertRejected(yield* loggingNothing(answer()), 417, "Expect")
      })
    )

    it.effect("names every bad record, up to 20 errors", () =>
      loggingNothing(
        Effect.gen(function* () {
          const some = yield* post(JSON.stringify([oslo, { city: 1 }, oslo, { ...oslo, x: 1 }]))
          const fields = assertRejected(some, 400).errors.map(({ field }) => field)
          assert.sameMembers(fields, ["[1].city", "[1].temperature", "[3].x"])
          assert.lengthOf(assertRejected(yield* post(JSON.stringify(Array(9_000).fill(1))), 400).errors, 20)
          const wide = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`f${i}`, 1]))
          assertRejected(yield* post(JSON.stringify([wide])), 400)
          assertRejected(yield* post("[".repeat(100_000) + "]".repeat(100_000)), 400, "[0]")
        })
      )
    )

    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
      it.effect(`rejects ${method}, and unknown parameters`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            const answer = yield* exchange(port, method, "/events", asJson)
            assert.strictEqual(answer.status, 405)
            assert.strictEqual(answer.headers.get("allow"), "POST")
            if (method !== "HEAD") assertRejected(answer, 405)
            assertRejected(yield* exchange(port, "POST", "/events?ts=1", asJson, JSON.stringify(oslo)), 400, "ts")
          })
        )
      )
    }

    it.effect("keeps the digits of a temperature that is a number as they are written", () =>
      Effect.gen(function* () {
        const numbers = ["72.50", "1e2", "-0", "0.1E-7", "12345678901234567890.123456789", "5"]
        const records = numbers.map((number) => `{"temperature": ${number} ,"city":"a"}`)
        const mixed = [...records, JSON.stringify(oslo)]
        for (const body of [
          { text: `[${mixed.join(",")}]`, headers: asJson },
          { text: mixed.join("\n"), headers: asNdjson }
        ]) {
          const { result, records } = yield* added(post(body.text, body.headers))
          assert.strictEqual(result.status, 200, result.body)
          assert.deepStrictEqual(
            records.map(({ temperature }) => temperature),
            [...numbers, oslo.temperature]
          )
        }
        const one = yield* added(post(`{"city":"a","temperature":72.50}`))
        assert.deepStrictEqual(
          one.records.map(({ temperature }) => temperature),
          ["72.50"]
        )
      })
    )

    it.effect("takes a number and its text for the same record", () =>
      Effect.gen(function* () {
        const headers = { ...asJson, "Idempotency-Key": "a-number" }
        assert.strictEqual((yield* post(`{"city":"a","temperature":12.50}`, headers)).status, 200)
        const { result, records } = yield* added(post(`{"city":"a","temperature":"12.50"}`, headers))
        assert.strictEqual(result.headers.get("floe-repeated"), "true")
        assert.lengthOf(records, 0)
        assertRejected(yield* post(`{"city":"a","temperature":12.5}`, headers), 422, "Idempotency-Key")
      })
    )

    it.effect("logs a repeat with the same key once, however it is written", () =>
      Effect.gen(function* () {
        const key = { "Idempotency-Key": "batch-1" }
        const one = yield* post(JSON.stringify([oslo, lima]), { ...asJson, ...key })
        assert.strictEqual(one.status, 200)
        const { result: again, records } = yield* added(
          post(gzipSync(lines([oslo, lima])), { ...asNdjson, ...key, "Content-Encoding": "gzip" })
        )
        assert.deepStrictEqual(json(again), json(one))
        assert.strictEqual(again.headers.get("floe-repeated"), "true")
        assert.lengthOf(records, 0)
        const other = yield* loggingNothing(post(JSON.stringify([lima, oslo]), { ...asJson, ...key }))
        assertRejected(other, 422, "Idempotency-Key")
      })
    )

    it.effect("takes any valid readings as they are, in JSON and in NDJSON", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const { send, answer } = yield* connection(port)
        const context = yield* Effect.context<Layer.Success<typeof Memory.layer>>()
        const readings = fc.array(fc.record({ city: validCity, temperature: validTemperature }), {
          minLength: 1,
          maxLength: 8
        })
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(readings, fc.boolean(), (readings, ndjson) =>
              Effect.gen(function* () {
                const body = ndjson ? lines(readings) : JSON.stringify(readings)
                send(request("POST", "/events", ndjson ? asNdjson : asJson, body))
                assert.strictEqual((yield* answer()).status, 200)
                const records = (yield* logged).slice(-readings.length)
                assert.deepStrictEqual(
                  records.map(({ city, temperature }) => ({ city, temperature })),
                  readings
                )
              }).pipe(Effect.runPromiseWith(context))
            ),
            { numRuns: 60 }
          )
        )
      })
    )

    it.effect("rejects all of them for one that is not valid", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer } = yield* connection(port)
          const wrong = fc.oneof(
            fc.record({ city: invalidCity, temperature: validTemperature, field: fc.constant("city") }),
            fc.record({ city: validCity, temperature: invalidTemperature, field: fc.constant("temperature") })
          )
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(wrong, fc.nat(5), ({ field, ...reading }, index) =>
                Effect.gen(function* () {
                  send(request("POST", "/events", asJson, JSON.stringify([...Array(index).fill(oslo), reading, lima])))
                  assertRejected(yield* answer(), 400, `[${index}].${field}`)
                }).pipe(Effect.runPromise)
              ),
              { numRuns: 100 }
            )
          )
        })
      )
    )
  }
)
