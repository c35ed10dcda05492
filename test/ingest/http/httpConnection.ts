/** A client that sends exactly what it is given, and reads answers by the letter of RFC 9112. */
import { connect, type Socket } from "node:net"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Schema, Stream } from "effect"
import { EventLogReader } from "../../../services/EventLog.ts"

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export interface Connection {
  readonly socket: Socket
  readonly send: (bytes: string | Uint8Array) => void
  /** The next answer; those to HEAD have no body. */
  readonly answer: (method?: string) => Effect.Effect<Answer>
  /** Resolves once the server has closed the connection, with what came after the last answer. */
  readonly closed: Effect.Effect<string>
}

/** The answer at the front of what has come, and how many bytes it takes. */
const parse = (bytes: Buffer, method: string) => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end === -1) return undefined
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const match = /^HTTP\/1\.1 (\d{3}) ?.*$/.exec(first)
  assert.isNotNull(match, `a status line, and not ${JSON.stringify(first)}`)
  const status = Number(match[1])
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
  )
  const bodiless = method === "HEAD" || status < 200 || status === 204
  assert.isTrue(bodiless || headers.has("content-length"), "every answer has its length")
  const length = bodiless ? 0 : Number(headers.get("content-length"))
  const total = end + 4 + length
  if (bytes.length < total) return undefined
  return { answer: { status, headers, body: bytes.subarray(end + 4, total).toString("utf8") }, total }
}

export const connection = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Connection>((resume) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true })
      let pending = Buffer.alloc(0)
      let wake = () => {}
      const ended = Deferred.makeUnsafe<string>()
      socket.on("data", (bytes) => {
        pending = Buffer.concat([pending, bytes])
        wake()
      })
      // A reset is an end like any other here; what was read before is looked at.
      socket.on("error", () => {})
      socket.on("close", () => {
        Deferred.doneUnsafe(ended, Effect.succeed(pending.toString("utf8")))
        wake()
      })
      const answer = (method = "GET") =>
        Effect.callback<Answer>((resume) => {
          const look = () => {
            const found = parse(pending, method)
            if (found !== undefined) {
              wake = () => {}
              pending = pending.subarray(found.total)
              resume(Effect.succeed(found.answer))
            } else if (socket.destroyed) {
              resume(Effect.die(new Error(`closed without an answer, after ${JSON.stringify(pending.toString())}`)))
            }
          }
          wake = look
          look()
        })
      socket.once("connect", () =>
        resume(
          Effect.succeed({
            socket,
            send: (bytes) => void socket.write(bytes),
            answer,
            closed: Deferred.await(ended)
          })
        )
      )
      socket.once("error", (error) => resume(Effect.die(error)))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** A request as text; a body gets its length unless the headers have one. */
export const request = (
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = ""
) => {
  const all: Record<string, string> = { Host: "127.0.0.1", ...headers }
  const bytes = Buffer.from(body)
  if (bytes.length > 0 && all["Content-Length"] === undefined && all["Transfer-Encoding"] === undefined) {
    all["Content-Length"] = String(bytes.length)
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1"), bytes])
}

/** One request on a connection of its own. */
export const exchange = (
  port: number,
  method: string,
  target: string,
  headers?: Readonly<Record<string, string>>,
  body?: string | Uint8Array
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { send, answer } = yield* connection(port)
      send(request(method, target, headers, body))
      return yield* answer(method)
    })
  )

const RefusedBody = Schema.fromJsonString(
  Schema.Struct({
    status: Schema.Literal("error"),
    message: Schema.String,
    errors: Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String }))
  })
)

/** The one shape of errors; `field` must be among those named. */
export const assertRejected = (answer: Answer, status: number, field?: string) => {
  assert.strictEqual(answer.status, status, answer.body)
  assert.strictEqual(answer.headers.get("content-type"), "application/json")
  const body = Schema.decodeUnknownSync(RefusedBody, { onExcessProperty: "error" })(answer.body)
  assert.match(body.message, /^[A-Z].*[.?]$/s, "the message is a sentence")
  if (field !== undefined) {
    assert.include(
      body.errors.map((error) => error.field),
      field
    )
  }
  return body
}

export const json = (answer: Answer): unknown => JSON.parse(answer.body)

/** Everything in the log, in order. */
export const logged = Effect.gen(function* () {
  const reader = yield* EventLogReader
  const events = yield* Stream.runCollect(reader.read({ partition: 0, offset: 0 }, { until: "end" }))
  return events.map(({ record }) => record)
})

/** Runs it, and finds the log as long as before. */
export const loggingNothing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { bounds } = yield* EventLogReader
    const before = (yield* bounds).partitions
    const result = yield* effect
    assert.deepStrictEqual((yield* bounds).partitions, before)
    return result
  })
