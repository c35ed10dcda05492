import { createServer, type IncomingMessage } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as LogClientLayer from "../../layers/ingest/LogClient.ts"
import { LogClient } from "../../services/LogClient.ts"

const reading = { city: "São Paulo & Lagos+Ōsaka/100%?#=☃🌡", temperature: "1e+2" }

interface Answer {
  readonly status: number
  readonly body: string
}

const listening = (answer: (request: IncomingMessage) => Answer | undefined) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly base: string; readonly seen: Array<IncomingMessage>; readonly close: () => void }>(
      (resume) => {
        const seen: Array<IncomingMessage> = []
        const server = createServer((request, response) => {
          seen.push(request)
          const answered = answer(request)
          if (answered) response.writeHead(answered.status).end(answered.body)
        })
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ base: `http://127.0.0.1:${port}`, seen, close }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

const send = (base: string, key = "key-1") =>
  LogClient.use((client) => client.send(reading, key)).pipe(Effect.provide(LogClientLayer.at(new URL(base))))

const success = { status: 200, body: JSON.stringify({ status: "success", message: "Weather data logged", data: {} }) }
const failure = (status: number) => ({
  status,
  body: JSON.stringify({ status: "error", message: "The reason.", errors: [] })
})

describe("the client of a logging server", () => {
  it.effect("sends city, temperature and key as they are", () =>
    Effect.gen(function* () {
      const { base, seen } = yield* listening(() => success)
      yield* send(base)
      yield* send(`${base}/floe/`, "key-2")
      const [first, second] = seen
      assert.strictEqual(first?.method, "GET")
      assert.strictEqual(first?.headers["idempotency-key"], "key-1")
      assert.strictEqual(second?.headers["idempotency-key"], "key-2")
      const url = new URL(first?.url ?? "", base)
      assert.strictEqual(url.pathname, "/log")
      assert.deepStrictEqual([...url.searchParams], Object.entries(reading))
      const percentOnly = (url.search.slice(1).split("&")[0] ?? "").replace("city=", "")
      assert.strictEqual(decodeURIComponent(percentOnly), reading.city)
      assert.isTrue(second?.url?.startsWith("/floe/log?city="))
    })
  )

  it.effect.each([
    { status: 400, tag: "ReadingRejected" },
    { status: 403, tag: "ReadingRejected" },
    { status: 404, tag: "ReadingRejected" },
    { status: 422, tag: "ReadingRejected" },
    { status: 408, tag: "ServerUnavailable" },
    { status: 409, tag: "ServerUnavailable" },
    { status: 429, tag: "ServerUnavailable" },
    { status: 500, tag: "ServerUnavailable" },
    { status: 503, tag: "ServerUnavailable" },
    { status: 504, tag: "ServerUnavailable" }
  ])("takes $status for $tag", ({ status, tag }) =>
    Effect.gen(function* () {
      const { base } = yield* listening(() => failure(status))
      const error = yield* Effect.flip(send(base))
      assert.strictEqual(error._tag, tag)
      assert.include(error.message, `${status}`)
      assert.include(error.message, "The reason.")
    })
  )

  it.effect.each([
    { status: 200, body: "<html>It works!</html>" },
    { status: 200, body: JSON.stringify({ status: "error", message: "no" }) },
    { status: 204, body: "" }
  ])("does not take $status $body for an acknowledgement", (answer) =>
    Effect.gen(function* () {
      const { base } = yield* listening(() => answer)
      const error = yield* Effect.flip(send(base))
      assert.strictEqual(error._tag, "ServerUnavailable")
    })
  )

  it.effect("reports that nothing listens", () =>
    Effect.gen(function* () {
      const { base, close } = yield* listening(() => success)
      close()
      const error = yield* Effect.flip(send(base))
      assert.strictEqual(error._tag, "ServerUnavailable")
      assert.strictEqual(error.message, `The logging server at ${base} is unavailable: nothing listens there.`)
    })
  )

  it.effect("gives up on an answer after 10 seconds", () =>
    Effect.gen(function* () {
      let asked = () => {}
      const arrived = new Promise<void>((resolve) => {
        asked = resolve
      })
      const { base } = yield* listening(() => void asked())
      const fiber = yield* Effect.forkChild(Effect.flip(send(base)))
      yield* Effect.promise(() => arrived)
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "ServerUnavailable")
      assert.include(error.message, "no answer within 10 seconds")
    })
  )
})
