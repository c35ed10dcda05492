import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import { Limits } from "../../../layers/ingest/http/Limits.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import { contended, Disk, defective, Gate, held, onDisk } from "../../support/heldLog.ts"
import * as wallClock from "../../support/wallClock.ts"
import { assertRejected, connection, exchange, json, logged, loggingNothing, request } from "./httpConnection.ts"

const good = "/log?city=Oslo&temperature=1.5"
const asJson = { "Content-Type": "application/json" }
const oslo = `{"city":"Oslo","temperature":"1.5"}`
const mebibyte = 1024 * 1024

const limited = (limits: Partial<Limits>) =>
  Layer.effect(
    Limits,
    Effect.map(Limits, (usual) => ({ ...usual, ...limits }))
  )

layer(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(Memory.layer)))(
  "connections",
  (it) => {
    it.effect("answers pipelined requests in their order, and then what is not HTTP", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const { send, answer, closed } = yield* connection(port)
        const before = (yield* logged).length
        send(
          Buffer.concat([
            request("GET", "/log?city=first&temperature=1"),
            request("GET", "/health"),
            request("GET", "/log?city=&temperature=1"),
            request("POST", "/events", asJson, oslo),
            request("GET", "/log?city=last&temperature=1"),
            Buffer.from("this is not HTTP\r\n\r\n")
          ])
        )
        assert.include((yield* answer()).body, `"city":"first"`)
        assert.deepStrictEqual(json(yield* answer()), { status: "healthy" })
        assertRejected(yield* answer(), 400, "city")
        assert.include((yield* answer()).body, "1 event logged")
        assert.include((yield* answer()).body, `"city":"last"`)
        const last = yield* answer()
        assertRejected(last, 400)
        assert.strictEqual(last.headers.get("connection"), "close")
        assert.strictEqual(yield* closed, "")
        assert.lengthOf(yield* logged, before + 3)
      })
    )

    it.effect("looks at nothing that follows an answer that closes the connection", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer, closed } = yield* connection(port)
          const rejected = request("POST", "/events", { "Content-Type": "text/plain" }, "x".repeat(100_000))
          send(Buffer.concat([rejected, request("GET", good)]))
          const last = yield* answer()
          assertRejected(last, 415)
          assert.strictEqual(last.headers.get("connection"), "close")
          assert.strictEqual(yield* closed, "")
        })
      )
    )

    const twice = (header: string) =>
      `POST /events HTTP/1.1\r\nHost: localhost\r\n${header}\r\n${header}\r\n\r\n${oslo}`
    const malformed: ReadonlyArray<readonly [name: string, bytes: string, status: number, field: string | undefined]> =
      [
        ["noise", "\x16\x03\x01\x02\x00\r\n\r\n", 400, undefined],
        ["an unknown method", `BREW ${good} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 400, undefined],
        [
          "two lengths",
          `POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`,
          400,
          undefined
        ],
        [
          "a length and chunks",
          `POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
          400,
          undefined
        ],
        [
          "a bad chunk",
          `POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
          400,
          undefined
        ],
        ["a header without a name", `GET ${good} HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n`, 400, undefined],
        ["no Host", `GET ${good} HTTP/1.1\r\n\r\n`, 400, "Host"],
        ["two Hosts", `GET ${good} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n`, 400, "Host"],
        ["no Host elsewhere", "GET /health HTTP/1.1\r\n\r\n", 400, "Host"],
        ["a Host that is none", "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host"],
        ["a Host with a user", `GET ${good} HTTP/1.1\r\nHost: me@localhost\r\n\r\n`, 400, "Host"],
        ["a target with a user", "GET http://me:x@127.0.0.1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "Host"],
        ["a target that is a host", "GET localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, undefined],
        ["a target without a slash", "GET health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, undefined],
        ["a method in small letters", "get /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, undefined],
        ["a length twice", twice("Content-Length: 35"), 400, undefined],
        ["a list of lengths", twice("Content-Length: 35, 35"), 400, undefined],
        ["a length with a sign", twice("Content-Length: +35"), 400, undefined],
        ["a space before the colon", twice("X : 1"), 400, undefined],
        ["a space in a name", twice("X Y: 1"), 400, undefined],
        ["a folded header", twice("X: 1\r\n 2"), 400, undefined],
        ["a header with a zero byte", twice("X: a\0b"), 400, undefined],
        ["lines without a carriage return", "GET /health HTTP/1.1\nHost: localhost\n\n", 400, undefined],
        ["HTTP/2 as text", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, undefined],
        ["a version to come", "GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, undefined],
        ["no version", `GET ${good}\r\n\r\n`, 505, undefined],
        ["a tunnel", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, undefined],
        [
          "a header of 1 MiB",
          `GET ${good} HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(mebibyte)}\r\n\r\n`,
          431,
          "headers"
        ],
        [
          "1 MiB of headers",
          `GET ${good} HTTP/1.1\r\nHost: localhost\r\n${`X: ${"x".repeat(1000)}\r\n`.repeat(1048)}\r\n`,
          431,
          "headers"
        ],
        // Node drops those beyond its limit, and an Idempotency-Key would be among them.
        ["1,001 headers", `GET ${good} HTTP/1.1\r\n${"X:\r\n".repeat(1000)}Host: localhost\r\n\r\n`, 431, "headers"],
        [
          "a target of 1 MiB",
          `GET /log?city=${"x".repeat(mebibyte)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
          431,
          "headers"
        ]
      ]
    for (const [name, bytes, status, field] of malformed) {
      it.effect(`rejects ${name} with ${status}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            const { send, answer } = yield* connection(port)
            send(bytes)
            assertRejected(yield* answer(), status, field)
          })
        )
      )
    }

    const body = `${oslo.length.toString(16)}\r\n${oslo}\r\n0\r\n\r\n`
    const posted = (headers: string, sent: string, version = "1.1") =>
      `POST /events HTTP/${version}\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${sent}`
    /** Answered once, and then nothing on the connection is read as a request. */
    const last: ReadonlyArray<readonly [name: string, bytes: string, status: number, field: string | undefined]> = [
      ["another expectation, the body unsent", posted(`Expect: 200-ok\r\nContent-Length: 76`, ""), 417, "Expect"],
      [
        "another expectation, the body sent",
        posted(`Expect: x\r\nContent-Length: ${oslo.length}`, oslo),
        417,
        "Expect"
      ],
      ["another expectation of GET", "GET /health HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\n\r\n", 417, "Expect"],
      ["two expectations", posted("Expect: 100-continue, x\r\nContent-Length: 76", ""), 417, "Expect"],
      ["gzip, chunked", posted("Transfer-Encoding: gzip, chunked", body), 501, "Transfer-Encoding"],
      [
        "gzip, then chunked",
        posted("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", body),
        501,
        "Transfer-Encoding"
      ],
      ["gzip alone", posted("Transfer-Encoding: gzip", oslo), 501, "Transfer-Encoding"],
      ["identity", posted("Transfer-Encoding: identity", oslo), 501, "Transfer-Encoding"],
      ["chunked with a parameter", posted("Transfer-Encoding: chunked;q=1", body), 501, "Transfer-Encoding"],
      [
        "a coding of a path that reads no body",
        posted("Transfer-Encoding: gzip, chunked", body).replace("/events", "/health"),
        501,
        "Transfer-Encoding"
      ],
      [
        "chunks in HTTP/1.0",
        posted("Transfer-Encoding: chunked\r\nConnection: keep-alive", body, "1.0"),
        400,
        "Transfer-Encoding"
      ]
    ]
    for (const [name, bytes, status, field] of last) {
      it.effect(`rejects ${name} with ${status}, and closes the connection`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            const { send, answer, closed } = yield* connection(port)
            send(Buffer.concat([Buffer.from(bytes), request("GET", good)]))
            const rejected = yield* answer()
            assertRejected(rejected, status, field)
            assert.strictEqual(rejected.headers.get("connection"), "close")
            assert.strictEqual(yield* closed, "")
          })
        )
      )
    }

    const types: ReadonlyArray<readonly [headers: string, status: number]> = [
      ["Content-Type: application/json", 400],
      ["Content-Type: text/plain", 400],
      ["CONTENT-TYPE: application/x-ndjson", 400]
    ]
    for (const [header, status] of types) {
      it.effect(`rejects a second ${header}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            const { send, answer } = yield* connection(port)
            send(posted(`${header}\r\nContent-Length: ${oslo.length}`, oslo))
            assertRejected(yield* answer(), status, "Content-Type")
            send(request("GET", "/health"))
            assert.strictEqual((yield* answer()).status, 200, "the connection stays open")
          })
        )
      )
    }

    for (const parameters of [
      "charset=utf-8; charset=utf-8",
      "charset=utf-8; charset=latin1",
      'charset="utf-8',
      "charset = utf-8",
      "charset"
    ]) {
      it.effect(`rejects the content type application/json; ${parameters}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            const type = { "Content-Type": `application/json; ${parameters}` }
            assertRejected(yield* exchange(port, "POST", "/events", type, oslo), 415, "Content-Type")
          })
        )
      )
    }

    for (const path of ["/log?city=a&temperature=1", "/health", "/ready", "/docs", "/openapi.json"]) {
      it.effect(`takes GET ${path} by the names of this machine only`, () =>
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          for (const Host of ["localhost", `127.0.0.1:${port}`, "[::1]:80", "LOCALHOST:1"]) {
            assert.strictEqual((yield* exchange(port, "GET", path, { Host })).status, 200, Host)
          }
          for (const Host of ["floe.example", "10.0.0.1", "localhost.floe.example:80"]) {
            assertRejected(yield* exchange(port, "GET", path, { Host }), 403, "Host")
          }
        })
      )
    }

    it.effect("shows its pages to who comes from a link on another site, and logs nothing for it", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const site = { "Sec-Fetch-Site": "cross-site" }
        assert.strictEqual((yield* exchange(port, "GET", "/docs", site)).status, 200)
        assertRejected(yield* loggingNothing(exchange(port, "GET", good, site)), 403, "Sec-Fetch-Site")
      })
    )

    it.effect("takes HTTP/1.0, without a Host", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const { send, answer, closed } = yield* connection(port)
        send(`GET ${good} HTTP/1.0\r\n\r\n`)
        assert.strictEqual((yield* answer()).status, 200)
        assert.strictEqual(yield* closed, "")
      })
    )

    const paths: ReadonlyArray<readonly [method: string, path: string, status: number]> = [
      ["GET", "/", 404],
      ["GET", "/nothing", 404],
      ["GET", "/log/", 404],
      ["GET", "/logs?city=a&temperature=1", 404],
      ["POST", "/nothing", 404],
      ["GET", "/%zz", 404],
      ["GET", "/health/", 404],
      ["GET", "/Health", 404],
      ["GET", "//health", 404],
      ["POST", "/health/", 404],
      ["GET", "/../../etc/passwd", 404],
      ["OPTIONS", "*", 404],
      ["POST", "/health", 405],
      ["DELETE", "/ready", 405],
      ["OPTIONS", "/openapi.json", 405],
      ["PUT", "/docs", 405]
    ]
    for (const [method, path, status] of paths) {
      it.effect(`rejects ${method} ${path} with ${status}`, () =>
        loggingNothing(
          Effect.gen(function* () {
            const { port } = yield* HttpServer
            const { send, answer } = yield* connection(port)
            send(request(method, path, {}, method === "POST" ? "x" : ""))
            const got = yield* answer()
            assertRejected(got, status)
            assert.strictEqual(got.headers.get("allow"), status === 405 ? "GET, HEAD" : undefined)
            send(request("GET", "/health"))
            assert.strictEqual((yield* answer()).status, 200, "the connection stays open")
          })
        )
      )
    }

    for (const path of ["/health", "/ready", "/openapi.json", "/docs"]) {
      it.effect(`answers HEAD ${path} like GET, without a body`, () =>
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer } = yield* connection(port)
          send(Buffer.concat([request("HEAD", path), request("GET", path)]))
          const head = yield* answer("HEAD")
          const get = yield* answer()
          assert.strictEqual(head.status, 200)
          assert.strictEqual(get.status, 200)
          assert.strictEqual(head.headers.get("content-length"), get.headers.get("content-length"))
        })
      )
    }

    it.effect("rejects a body that stalls for 30 s, and not before", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer, closed, socket } = yield* connection(port)
          const headers = { ...asJson, "Content-Length": "100", Expect: "100-continue" }
          send(request("POST", "/events", headers))
          assert.strictEqual((yield* answer()).status, 100)
          yield* TestClock.adjust("29 seconds")
          yield* exchange(port, "GET", "/health")
          assert.strictEqual(socket.bytesRead, "HTTP/1.1 100 Continue\r\n\r\n".length)
          yield* TestClock.adjust("1 second")
          assertRejected(yield* answer(), 408, "body")
          assert.strictEqual(yield* closed, "")
        })
      )
    )

    it.effect("rejects a body that stalls for 30 s also while the clock is set back and ahead", () =>
      Effect.gen(function* () {
        const { step } = yield* wallClock.WallClock
        const { port } = yield* HttpServer
        const { send, answer, socket } = yield* connection(port)
        send(request("POST", "/events", { ...asJson, "Content-Length": "100", Expect: "100-continue" }))
        assert.strictEqual((yield* answer()).status, 100)
        const before = socket.bytesRead
        for (const by of [7_200_000, -10_800_000]) {
          yield* step(by)
          yield* TestClock.adjust("14 seconds")
          yield* exchange(port, "GET", "/health")
          assert.strictEqual(socket.bytesRead, before)
        }
        yield* TestClock.adjust("2 seconds")
        assertRejected(yield* answer(), 408, "body")
      }).pipe(
        Effect.provide(
          Layer.fresh(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer))).pipe(
            Layer.provide(Layer.fresh(Memory.layer)),
            Layer.provideMerge(wallClock.layer)
          )
        )
      )
    )

    it.effect("closes the connection of a small body that stalls, too", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          const { send, answer, closed } = yield* connection(port)
          send(request("POST", "/events", { ...asJson, "Content-Length": "100" }, oslo))
          yield* exchange(port, "GET", "/health")
          yield* TestClock.adjust("30 seconds")
          const late = yield* answer()
          assertRejected(late, 408, "body")
          assert.strictEqual(late.headers.get("connection"), "close")
          assert.strictEqual(yield* closed, "")
        })
      )
    )

    it.effect("outlives clients that go away", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        for (const bytes of [
          request("GET", good),
          request("POST", "/events", { ...asJson, "Content-Length": "1000" }, "["),
          request("GET", "/docs"),
          Buffer.from("GET /lo")
        ]) {
          const { send, socket, closed } = yield* connection(port)
          send(bytes)
          socket.resetAndDestroy()
          yield* closed
        }
        assert.strictEqual((yield* exchange(port, "GET", "/health")).status, 200)
      })
    )
  }
)

layer(HttpServer.at("0.0.0.0", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(Memory.layer)))(
  "a server for other machines",
  (it) => {
    it.effect("takes any name, as of a container or an address in a health check", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        for (const Host of ["logging-server:9998", "10.1.2.3:9998", "[fd00::1]", "floe.example"]) {
          for (const path of ["/health", "/ready", "/docs", good]) {
            assert.strictEqual((yield* exchange(port, "GET", path, { Host })).status, 200, `${Host} ${path}`)
          }
        }
      })
    )
  }
)

layer(
  HttpServer.at("127.0.0.1", 0)
    .pipe(Layer.provide(Streams.layer))
    .pipe(
      Layer.provideMerge(Memory.layer),
      Layer.provide(limited({ headers: 150, bodyStall: 1_000, bodyTotal: 3_000, heldBytes: 100_000 }))
    )
)("limits of the server", (it) => {
  it.effect("reject headers that come too slowly", () =>
    loggingNothing(
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const { send, answer, closed } = yield* connection(port)
        send(`GET ${good} HTTP/1.1\r\nHost: loc`)
        assertRejected(yield* answer(), 408)
        assert.strictEqual(yield* closed, "")
      })
    )
  )

  it.effect("reject a body that drips for too long", () =>
    loggingNothing(
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const { send, answer, socket } = yield* connection(port)
        send(request("POST", "/events", { ...asJson, "Transfer-Encoding": "chunked", Expect: "100-continue" }))
        assert.strictEqual((yield* answer()).status, 100)
        const asked = socket.bytesRead
        for (let i = 0; i < 6; i++) {
          send("1\r\n \r\n")
          // The byte was read once another request, sent after it, is answered.
          yield* exchange(port, "GET", "/health")
          assert.strictEqual(socket.bytesRead, asked, `no answer after ${i * 500} ms`)
          yield* TestClock.adjust("500 millis")
        }
        assertRejected(yield* answer(), 408, "body")
      })
    )
  )

  it.effect("reject bodies beyond the memory for them, and take others once it is free", () =>
    Effect.gen(function* () {
      const { port } = yield* HttpServer
      const slow = yield* connection(port)
      const body = `[${oslo}${" ".repeat(80_000)}]`
      slow.send(request("POST", "/events", { ...asJson, "Content-Length": String(body.length) }, body.slice(0, -1)))
      const other = (size: number) => exchange(port, "POST", "/events", asJson, `[${oslo}]`.padEnd(size))
      const rejected = yield* Effect.repeat(other(40_000), { until: ({ status }) => status === 503, times: 1_000 })
      assertRejected(rejected, 503)
      assert.match(rejected.headers.get("retry-after") ?? "", /^\d+$/)
      slow.send("]")
      assert.strictEqual((yield* slow.answer()).status, 200)
      assert.strictEqual((yield* other(90_000)).status, 200)
      assertRejected(yield* loggingNothing(other(110_000)), 503)
    })
  )
})

layer(
  HttpServer.at("127.0.0.1", 0)
    .pipe(Layer.provide(Streams.layer))
    .pipe(Layer.provideMerge(held), Layer.provide(limited({ inFlight: 2 })))
)("requests in flight", (it) => {
  it.effect("are bounded, also those of clients that went away", () =>
    Effect.gen(function* () {
      const { port } = yield* HttpServer
      const gate = yield* Gate
      const one = yield* connection(port)
      const two = yield* connection(port)
      const gone = yield* connection(port)
      one.send(request("GET", good))
      yield* gate.arrived
      gone.send(request("GET", "/log?city=gone&temperature=1"))
      yield* gate.arrived
      gone.socket.destroy()
      const third = yield* exchange(port, "GET", good)
      assertRejected(third, 503)
      assert.isTrue(third.headers.has("retry-after"))
      assertRejected(yield* exchange(port, "POST", "/events", asJson, oslo), 503)
      assert.deepStrictEqual(yield* logged, [])
      yield* gate.open
      assert.strictEqual((yield* one.answer()).status, 200)
      two.send(request("GET", good))
      assert.strictEqual((yield* two.answer()).status, 200, "there is room again")
      assert.sameMembers(
        (yield* logged).map(({ city }) => city),
        ["Oslo", "gone", "Oslo"]
      )
    })
  )
})

layer(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(onDisk)))(
  "a log that cannot be written",
  (it) => {
    it.effect("is 503 until there is room again", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const disk = yield* Disk
        assert.deepStrictEqual(json(yield* exchange(port, "GET", "/ready")), { status: "ready" })
        disk.full = true
        yield* loggingNothing(
          Effect.gen(function* () {
            for (const answer of [
              yield* exchange(port, "GET", good),
              yield* exchange(port, "POST", "/events", asJson, oslo),
              yield* exchange(port, "GET", "/ready")
            ]) {
              assert.include(assertRejected(answer, 503).message, "the disk is full")
              assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/)
            }
          })
        )
        assert.deepStrictEqual(json(yield* exchange(port, "GET", "/health")), { status: "healthy" })
        disk.full = false
        assert.strictEqual((yield* exchange(port, "GET", "/ready")).status, 200)
        assert.strictEqual((yield* exchange(port, "GET", good)).status, 200)
      })
    )

    it.effect("is 504 while it does not report what it logged; a repeat with the same key logs nothing twice", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const disk = yield* Disk
        const before = (yield* logged).length
        const keyed = { "Idempotency-Key": "silence" }
        disk.silent = true
        const answer = yield* exchange(port, "GET", good, keyed)
        assert.include(assertRejected(answer, 504).message, "the same Idempotency-Key")
        assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/)
        disk.silent = false
        const again = yield* exchange(port, "GET", good, keyed)
        assert.strictEqual(again.status, 200)
        assert.strictEqual(again.headers.get("floe-repeated"), "true")
        assert.strictEqual((yield* logged).length, before + 1)
      })
    )
  }
)

layer(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(contended)))(
  "a key that is in flight",
  (it) => {
    it.effect("is 409, for now", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const headers = { ...asJson, "Idempotency-Key": "k" }
        for (const answer of [
          yield* exchange(port, "GET", good, headers),
          yield* exchange(port, "POST", "/events", headers, oslo)
        ]) {
          assertRejected(answer, 409)
          assert.strictEqual(answer.headers.get("retry-after"), "1")
        }
      })
    )
  }
)

layer(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(defective)))(
  "a defect",
  (it) => {
    it.effect("is 500, and reveals nothing internal", () =>
      loggingNothing(
        Effect.gen(function* () {
          const { port } = yield* HttpServer
          for (const answer of [
            yield* exchange(port, "GET", good),
            yield* exchange(port, "POST", "/events", asJson, oslo)
          ]) {
            assertRejected(answer, 500)
            assert.notInclude(answer.body, "secret")
            assert.notMatch(answer.body, /\.ts| {4}at /)
          }
        })
      )
    )
  }
)
