import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { AddressUnusable, HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { Gate, held } from "../../support/heldLog.ts"
import { assertRejected, connection, exchange, logged, request } from "./httpConnection.ts"

const good = "/log?city=Oslo&temperature=1.5"
const asJson = { "Content-Type": "application/json" }

/** A server of its own, over a log that outlives it. */
const started = Effect.gen(function* () {
  const context = yield* Layer.build(held)
  const scope = yield* Scope.make()
  const server = yield* Layer.buildWithScope(
    HttpServer.at("127.0.0.1", 0)
      .pipe(Layer.provide(Streams.layer))
      .pipe(Layer.provide(Layer.succeedContext(context))),
    scope
  )
  return {
    port: Context.get(server, HttpServer).port,
    gate: Context.get(context, Gate),
    logged: Effect.provideService(logged, EventLogReader, Context.get(context, EventLogReader)),
    /** How long it took, in milliseconds. */
    stop: Effect.map(Effect.timed(Scope.close(scope, Exit.void)), ([took]) => Duration.toMillis(took))
  }
})

const isListening = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ port, host: "127.0.0.1" })
    const report = (listening: boolean) => {
      socket.destroy()
      resume(Effect.succeed(listening))
    }
    socket.once("connect", () => report(true)).once("error", () => report(false))
  })

const stopsListening = (port: number) =>
  Effect.repeat(Effect.andThen(Effect.yieldNow, isListening(port)), { until: (listening) => !listening })

describe("the end of the server", () => {
  it.live("answers what is open, rejects what comes, and closes idle connections", () =>
    Effect.gen(function* () {
      const { port, gate, logged, stop } = yield* started
      const idle = yield* connection(port)
      idle.send(request("GET", "/health"))
      assert.strictEqual((yield* idle.answer()).status, 200)
      const busy = yield* connection(port)
      busy.send(request("GET", good))
      yield* gate.arrived
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* stopsListening(port)
      assert.strictEqual(yield* idle.closed, "")
      busy.send(Buffer.concat([request("GET", "/ready"), request("GET", good), request("GET", "/health")]))
      yield* gate.open
      const answer = yield* busy.answer()
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers.get("connection"), "close")
      assert.strictEqual(yield* busy.closed, "")
      assert.isBelow(yield* Fiber.join(stopping), 2_000)
      assert.lengthOf(yield* logged, 1)
    })
  )

  it.live("reports on open connections that it is not ready, and logs nothing more", () =>
    Effect.gen(function* () {
      const { port, gate, logged, stop } = yield* started
      const busy = yield* connection(port)
      busy.send(request("POST", "/events", { ...asJson, "Content-Length": "35" }, `{"city":"Oslo",`))
      const ready = yield* connection(port)
      const log = yield* connection(port)
      // A request whose end has not come keeps its connection from being idle.
      ready.send("GET /ready HTTP/1.1\r\nHost: localhost\r\n")
      log.send(`GET ${good} HTTP/1.1\r\nHost: localhost\r\n`)
      yield* exchange(port, "GET", "/health")
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* stopsListening(port)
      ready.send("\r\n")
      log.send("\r\n")
      for (const answer of [yield* ready.answer(), yield* log.answer()]) {
        assertRejected(answer, 503)
        assert.strictEqual(answer.headers.get("connection"), "close")
      }
      yield* gate.open
      busy.send(`"temperature":"1.5"}`)
      assert.strictEqual((yield* busy.answer()).status, 200)
      assert.isBelow(yield* Fiber.join(stopping), 2_000)
      assert.lengthOf(yield* logged, 1)
    })
  )

  it.live("takes less than 5 s, whatever the clients do", () =>
    Effect.gen(function* () {
      const { port, gate, stop } = yield* started
      const stalled = yield* connection(port)
      stalled.send(request("POST", "/events", { ...asJson, "Content-Length": "100" }, "["))
      const waiting = yield* connection(port)
      waiting.send(request("GET", good))
      yield* gate.arrived
      const slow = yield* connection(port)
      slow.send("GET /health HT")
      const silent = yield* connection(port)
      const deaf = yield* connection(port)
      deaf.socket.pause()
      for (let i = 0; i < 20; i++) deaf.send(request("GET", "/docs"))
      yield* exchange(port, "GET", "/health")
      assert.isBelow(yield* stop, 5_000)
      for (const { closed } of [stalled, waiting, slow, silent]) assert.strictEqual(yield* closed, "")
    })
  )
})

describe("the address of the server", () => {
  const failure = (host: string, port: number) =>
    Layer.build(HttpServer.at(host, port).pipe(Layer.provide(Streams.layer)).pipe(Layer.provide(Memory.layer))).pipe(
      Effect.scoped,
      Effect.flip
    )

  it.live("that is in use is rejected in one sentence", () =>
    Effect.gen(function* () {
      const { port } = yield* started
      const error = yield* failure("127.0.0.1", port)
      assert.instanceOf(error, AddressUnusable)
      assert.strictEqual(
        error.message,
        `Port ${port} on 127.0.0.1 is in use by another program; stop that program or set FLOE_PORT.`
      )
    })
  )

  it.live("that is not of this machine is rejected in one sentence", () =>
    Effect.gen(function* () {
      // 203.0.113.0/24 is kept for documentation by RFC 5737.
      const error = yield* failure("203.0.113.1", 0)
      assert.strictEqual(error.message, "203.0.113.1 is not an address of this machine; set FLOE_HOST to one that is.")
    })
  )

  it("that needs privileges is rejected with the ports that do not", () => {
    const error = new AddressUnusable({ host: "127.0.0.1", port: 80, code: "EACCES" })
    assert.strictEqual(
      error.message,
      "This user may not listen on port 80 of 127.0.0.1; set FLOE_PORT to a port above 1023."
    )
  })

  it.live("is where the server is reached", () =>
    Effect.gen(function* () {
      const any = yield* Layer.build(
        HttpServer.at("0.0.0.0", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provide(Memory.layer))
      )
      const { url, port } = Context.get(any, HttpServer)
      assert.strictEqual(url, `http://127.0.0.1:${port}`)
      const reached = yield* Effect.promise(() => fetch(`${url}/health`).then((response) => response.json()))
      assert.deepStrictEqual(reached, { status: "healthy" })
      const named = yield* exchange(port, "GET", good, { Host: "floe.example" })
      assert.strictEqual(named.status, 200, "names are checked on loopback addresses only")
    })
  )
})
