import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import { assertRejected, connection, exchange, json, logged, loggingNothing, request } from "./httpConnection.ts"
import { invalidCity, invalidTemperature, validCity, validTemperature } from "./readings.ts"

const target = (city: string, temperature: string) =>
  `/log?city=${encodeURIComponent(city)}&temperature=${encodeURIComponent(temperature)}`
const good = "/log?city=Oslo&temperature=1.5"
const long = "x".repeat(256)

layer(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(Memory.layer)))(
  "GET /log",
  (it) => {
    it.effect("answers with the event, its hour and its position", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        yield* TestClock.setTime(Date.UTC(2026, 0, 8, 14, 59, 59, 999))
        const before = (yield* logged).length
        const answer = yield* exchange(port, "GET", "/log?city=North%20Sharonstad&temperature=80.59")
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(json(answer), {
          status: "success",
          message: "Weather data logged",
          data: { city: "North Sharonstad", temperature: "80.59", ts: "2026-01-08-14" }
        })
        assert.strictEqual(answer.headers.get("content-type"), "application/json")
        assert.strictEqual(answer.headers.get("cache-control"), "no-store")
        assert.strictEqual(answer.headers.get("floe-position"), `weather/0/${before}`)
        assert.isFalse(answer.headers.has("floe-repeated"))
        const record = { city: "North Sharonstad", temperature: "80.59", ts: "2026-01-08-14" }
        assert.deepStrictEqual((yield* logged).at(-1), record)
        yield* TestClock.setTime(Date.UTC(2026, 0, 8, 15))
        const next = yield* exchange(port, "GET", good)
        assert.include(next.body, `"ts":"2026-01-08-15"`)
      })
    )

    it.effect(
      "while the clock shows a year that no hour can have, no event is accepted, and the server is not ready",
      () =>
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const before = yield* logged
          const one = JSON.stringify({ city: "Oslo", temperature: "1.5" })
          const events = () => exchange(port, "POST", "/events", { "Content-Type": "application/json" }, one)
          const all = [() => exchange(port, "GET", good), events, () => exchange(port, "GET", "/ready")]
          for (const now of [-1, Date.UTC(10_000, 0)]) {
            yield* TestClock.setTime(now)
            for (const ask of all) {
              const rejected = yield* ask()
              assertRejected(rejected, 503)
              assert.match(rejected.headers.get("retry-after") ?? "", /^[1-9][0-9]*$/)
              assert.include(rejected.body, "before 1970 or after 9999")
            }
            assert.strictEqual((yield* exchange(port, "GET", "/health")).status, 200)
          }
          assert.deepStrictEqual(yield* logged, before)
          for (const [now, ts] of [
            [0, "1970-01-01-00"],
            [Date.UTC(10_000, 0) - 1, "9999-12-31-23"]
          ] as const) {
            yield* TestClock.setTime(now)
            assert.include((yield* exchange(port, "GET", good)).body, `"ts":"${ts}"`)
            assert.include((yield* events()).body, `"ts":"${ts}"`)
            assert.strictEqual((yield* exchange(port, "GET", "/ready")).status, 200)
          }
        })
    )

    it.effect("takes parameters in any order, + as a space, escaped names and an absolute target", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const took = (target: string, city: string) =>
          Effect.gen(function* () {
            const answer = yield* exchange(port, "GET", target)
            assert.strictEqual(answer.status, 200, answer.body)
            assert.strictEqual((yield* logged).at(-1)?.city, city)
          })
        yield* took("/log?temperature=1&city=New+York", "New York")
        yield* took("/log?c%69ty=a%2Bb%26c%3Dd&temperature=1", "a+b&c=d")
        yield* took(`http://localhost:${port}/log?city=Oslo&temperature=1`, "Oslo")
        yield* took(
          target("  Z\u00fcrich \u{1f327} \u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd\u00a0", "1"),
          "  Z\u00fcrich \u{1f327} \u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd\u00a0"
        )
        yield* took(target("\u{1f327}".repeat(256), "1"), "\u{1f327}".repeat(256))
      })
    )

    const errors: ReadonlyArray<readonly [name: string, target: string, field: string]> = [
      ["no query", "/log", "city"],
      ["no city", "/log?temperature=1", "city"],
      ["an empty city", "/log?city=&temperature=1", "city"],
      ["a city without a value", "/log?city&temperature=1", "city"],
      ["a blank city", "/log?city=%20+%C2%A0&temperature=1", "city"],
      ["a city of 257 characters", target(`${long}x`, "1"), "city"],
      ["a city of 257 characters beyond the BMP", target("\u{1f327}".repeat(257), "1"), "city"],
      ["a city with a newline", "/log?city=a%0Ab&temperature=1", "city"],
      ["a city with NUL", "/log?city=a%00&temperature=1", "city"],
      ["a city with U+0085", "/log?city=a%C2%85&temperature=1", "city"],
      ["city twice", "/log?city=a&city=a&temperature=1", "city"],
      ["temperature twice", "/log?city=a&temperature=1&temperature=1", "temperature"],
      ["no temperature", "/log?city=a", "temperature"],
      ...[
        "abc",
        "NaN",
        "Infinity",
        "1e400",
        "0x10",
        "+5",
        ".5",
        "5.",
        "1_000",
        " 5 ",
        "",
        "1".repeat(10_000),
        "-",
        "1e",
        "٣",
        "5\n"
      ].map(
        (value) => [`temperature ${JSON.stringify(value.slice(0, 12))}`, target("a", value), "temperature"] as const
      ),
      ["a temperature of 33 characters", target("a", `1.${"0".repeat(31)}`), "temperature"],
      ["a broken escape", "/log?city=%zz&temperature=1", "city"],
      ["half an escape", "/log?city=a&temperature=1%", "temperature"],
      ["invalid UTF-8", "/log?city=%FF&temperature=1", "city"],
      ["an overlong form", "/log?city=%C0%80&temperature=1", "city"],
      ["an escaped surrogate", "/log?city=%ED%A0%80&temperature=1", "city"],
      ["bytes that are not escaped", "/log?city=Z\u00fcrich&temperature=1", "query"],
      ["a broken name", "/log?city=a&temperature=1&%FF=1", "query"],
      ["an unknown parameter", "/log?city=a&temperature=1&humidity=2", "humidity"],
      ["ts from the caller", "/log?city=a&temperature=1&ts=2026-01-08-14", "ts"],
      ["another case", "/log?City=a&temperature=1", "City"]
    ]
    for (const [name, target, field] of errors) {
      it.effect(`rejects ${name}, naming ${field}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            assertRejected(yield* exchange(port, "GET", target), 400, field)
          })
        )
      )
    }

    it.effect("accepts any valid reading as it is", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const { send, answer } = yield* connection(port)
        const context = yield* Effect.context<Layer.Success<typeof Memory.layer>>()
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(validCity, validTemperature, (city, temperature) =>
              Effect.gen(function* () {
                send(request("GET", target(city, temperature)))
                const got = yield* answer()
                assert.strictEqual(got.status, 200, got.body)
                const record = (yield* logged).at(-1)
                assert.deepStrictEqual([record?.city, record?.temperature], [city, temperature])
                assert.deepInclude(json(got), { data: record })
              }).pipe(Effect.runPromiseWith(context))
            ),
            { numRuns: 150 }
          )
        )
      })
    )

    it.effect("rejects any other", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer } = yield* connection(port)
          const wrong = fc.oneof(
            fc.tuple(invalidCity, validTemperature, fc.constant("city")),
            fc.tuple(validCity, invalidTemperature, fc.constant("temperature"))
          )
          yield* Effect.promise(() =>
            fc.assert(
              fc.asyncProperty(wrong, ([city, temperature, field]) =>
                Effect.gen(function* () {
                  send(request("GET", target(city, temperature)))
                  assertRejected(yield* answer(), 400, field)
                }).pipe(Effect.runPromise)
              ),
              { numRuns: 150 }
            )
          )
        })
      )
    )

    it.effect("logs a repeat with the same Idempotency-Key once, under the first hour", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        yield* TestClock.setTime(Date.UTC(2026, 5, 1, 10, 30))
        const before = (yield* logged).length
        const headers = { "Idempotency-Key": "k-1" }
        const one = yield* exchange(port, "GET", good, headers)
        yield* TestClock.setTime(Date.UTC(2026, 5, 1, 11, 30))
        const again = yield* exchange(port, "GET", "/log?temperature=1.5&city=%4Fslo", headers)
        assert.strictEqual(again.status, 200)
        assert.deepStrictEqual(json(again), json(one))
        assert.include(again.body, "2026-06-01-10")
        assert.strictEqual(again.headers.get("floe-position"), one.headers.get("floe-position"))
        assert.strictEqual(one.headers.get("floe-repeated"), undefined)
        assert.strictEqual(again.headers.get("floe-repeated"), "true")
        assert.lengthOf(yield* logged, before + 1)
        assertRejected(yield* exchange(port, "GET", "/log?city=Oslo&temperature=1.50", headers), 422, "Idempotency-Key")
        const other = { ...headers, "Content-Type": "application/json" }
        const body = `{"city":"Oslo","temperature":"1.5"}`
        assertRejected(yield* exchange(port, "POST", "/events", other, body), 422, "Idempotency-Key")
        assert.lengthOf(yield* logged, before + 1)
      })
    )

    for (const key of ["", "a b", "k\u00e9", "x".repeat(256), "a\tb"]) {
      it.effect(`rejects the Idempotency-Key ${JSON.stringify(key.slice(0, 8))}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            assertRejected(yield* exchange(port, "GET", good, { "Idempotency-Key": key }), 400, "Idempotency-Key")
          })
        )
      )
    }

    it.effect("takes the longest Idempotency-Key, and rejects two", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const answer = yield* exchange(port, "GET", good, { "idempotency-key": `!${"~".repeat(254)}` })
        assert.strictEqual(answer.status, 200)
        const twice = { "Idempotency-Key": "a", "idempotency-key": "b" }
        assertRejected(yield* loggingNothing(exchange(port, "GET", good, twice)), 400, "Idempotency-Key")
      })
    )

    for (const method of ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]) {
      it.effect(`rejects ${method}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            const answer = yield* exchange(port, method, good)
            assert.strictEqual(answer.headers.get("allow"), "GET")
            if (method === "HEAD") assert.strictEqual(answer.status, 405)
            else assertRejected(answer, 405)
          })
        )
      )
    }

    const foreign: ReadonlyArray<Readonly<Record<string, string>>> = [
      { "Sec-Fetch-Site": "cross-site" },
      { "sec-fetch-site": "Cross-Site" },
      { Host: "floe.example" },
      { Host: "localhost.example:80" },
      { Host: "127.0.0.1.example" },
      { Host: "10.0.0.1:9998" },
      { Host: "" }
    ]
    for (const headers of foreign) {
      it.effect(`rejects ${JSON.stringify(headers)}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            assertRejected(
              yield* exchange(port, "GET", good, headers),
              403,
              "Host" in headers ? "Host" : "Sec-Fetch-Site"
            )
            const typed = { "Content-Type": "application/json", ...headers }
            assertRejected(yield* exchange(port, "POST", "/events", typed, `{"city":"a","temperature":"1"}`), 403)
            assertRejected(
              yield* exchange(port, "GET", `http://evil.example${good}`, { Host: "localhost" }),
              403,
              "Host"
            )
          })
        )
      )
    }

    it.effect("takes every name of this machine, and requests of its own pages", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        for (const Host of ["localhost", "LocalHost:1", "127.0.0.1:9998", "[::1]", "[::1]:80"]) {
          for (const site of ["same-origin", "none"]) {
            assert.strictEqual((yield* exchange(port, "GET", good, { Host, "Sec-Fetch-Site": site })).status, 200, Host)
          }
        }
      })
    )

    it.effect("rejects a body", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer } = yield* connection(port)
          send(request("GET", good, {}, "temperature=9"))
          assertRejected(yield* answer(), 400, "body")
          send(request("GET", "/health"))
          assert.strictEqual((yield* answer()).status, 200)
        })
      )
    )
  }
)
