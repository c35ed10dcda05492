import { type ChildProcess, fork } from "node:child_process"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { assertRejected, connection, exchange, request } from "./httpConnection.ts"

const mebibyte = 1024 * 1024
const asJson = { "Content-Type": "application/json" }

const received = <S extends Schema.ConstraintDecoder<unknown>>(child: ChildProcess, schema: S) =>
  Effect.callback<S["Type"]>((resume) => {
    child.once("message", (message) => resume(Effect.sync(() => Schema.decodeUnknownSync(schema)(message))))
  })

const server = Effect.flatMap(temporaryFolder, (folder) =>
  Effect.acquireRelease(
    Effect.sync(() => fork(join(import.meta.dirname, "servingProcess.ts"), [folder])),
    (child) =>
      Effect.callback<void>((resume) => {
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )
)

/** MiB. Peaks between 350 and 430 were seen. */
const most = 512

const bounded = Effect.fnUntraced(function* (child: ChildProcess, after: string) {
  const receiving = yield* Effect.forkChild(received(child, Schema.Struct({ peak: Schema.Number })), {
    startImmediately: true
  })
  child.send("peak")
  const { peak } = yield* Fiber.join(receiving)
  assert.isBelow(peak / 1024, most, `MiB after ${after}`)
})

describe("the memory of the server", () => {
  it.live("stays under 512 MiB, whatever bodies come", () =>
    Effect.gen(function* () {
      const child = yield* server
      const { port } = yield* received(child, Schema.Struct({ port: Schema.Int }))
      const post = (body: Uint8Array, headers = {}) =>
        exchange(port, "POST", "/events", { ...asJson, ...headers }, body)

      const boundedSoFar = (after: string) => bounded(child, after)
      // Members of gzip follow each other: 3.2 GiB of zeros in 3.2 MB.
      const bomb = Buffer.concat(Array(200).fill(gzipSync(Buffer.alloc(16 * mebibyte))))
      assert.isBelow(bomb.length, 5 * mebibyte)
      const bombed = yield* Effect.all(
        Array.from({ length: 8 }, () => post(bomb, { "Content-Encoding": "gzip" })),
        { concurrency: "unbounded" }
      )
      for (const answer of bombed) assertRejected(answer, 413, "body")

      yield* boundedSoFar("gzip bombs")
      const many = Buffer.from(`[${"{},".repeat(1_700_000)}{}]`)
      assert.isBelow(many.length, 5 * mebibyte)
      for (const answer of yield* Effect.all(
        Array.from({ length: 5 }, () => post(many)),
        { concurrency: "unbounded" }
      )) {
        assertRejected(answer, 413, "body")
      }

      yield* boundedSoFar("many empty objects")
      const slow = request("POST", "/events", { ...asJson, "Content-Length": String(5 * mebibyte) })
      const almost = Buffer.alloc(5 * mebibyte - 1, " ")
      let rejected = 0
      yield* Effect.forEach(
        Array.from({ length: 110 }),
        () =>
          Effect.gen(function* () {
            const { send, answer } = yield* connection(port)
            send(slow)
            send(almost)
            assertRejected(yield* answer(), 503)
            rejected++
          }),
        // Six whole bodies fit into what the server holds; those are never answered here.
        { concurrency: "unbounded", discard: true }
      ).pipe(Effect.raceFirst(Effect.repeat(Effect.yieldNow, { until: () => rejected >= 110 - 6 })))

      assert.strictEqual((yield* exchange(port, "GET", "/health")).status, 200)
      yield* boundedSoFar("slow bodies")
    })
  )

  it.live(
    "stays under 512 MiB with typed events that are nested, wide or long",
    () =>
      Effect.gen(function* () {
        const child = yield* server
        const { port } = yield* received(child, Schema.Struct({ port: Schema.Int }))
        const typed: ReadonlyArray<readonly [string, number]> = [
          ["[".repeat(5_000_000), 400],
          [`{"free":${"[".repeat(5_000_000)}`, 400],
          [`{"free":${'{"a":'.repeat(1_000_000)}`, 400],
          [`[${'{"free":[[[],[]]]},'.repeat(250_000)}{}]`, 400],
          [`{"free":[${`[${"[],".repeat(9_999)}[]],`.repeat(150)}[]]}`, 400],
          [`{"free":[${`[${"0,".repeat(9_999)}0],`.repeat(200)}0]}`, 400],
          [`{"s":"${"\\u0000".repeat(800_000)}"}`, 413]
        ]
        for (const [body, status] of typed) {
          for (const path of ["/streams/every_type/events", "/streams/every_type/events?invalid=dead-letter"]) {
            const answer = yield* exchange(port, "POST", path, asJson, body)
            assert.isTrue([status, 413].includes(answer.status), answer.body.slice(0, 300))
          }
        }

        yield* bounded(child, "typed events")
      }),
    { timeout: 60_000 }
  )

  /** As many events as a body may have bytes. */
  const full = (event: string) =>
    `[${Array(Math.floor((5 * mebibyte - 2) / (event.length + 1)))
      .fill(event)
      .join(",")}]`
  const list = (value: string) => `[${Array(10_000).fill(value).join(",")}]`
  const members = (count: number, value: string) =>
    Array.from({ length: count }, (_, i) => `"c${i}":${value}`).join(",")

  const every = (column: string, value: string) => ["every_type", full(`{"id":1,"${column}":${value}}`)] as const
  const lists = every("longs", list("0"))
  const json = every("free", `[${Array(9).fill(list("{}")).join(",")}]`)
  const maps = every("map", `{${members(10_000, "0")}}`)
  const wide = ["wide", full(`{${members(1_000, "0")}}`)] as const
  const deadLetters = [
    "wide?",
    `[${Array(10_000)
      .fill(`{${members(40, '""')}}`)
      .join(",")}]`
  ] as const

  it.live(
    "stays under 512 MiB with eight of the largest bodies at once, half of them gzipped",
    () =>
      Effect.gen(function* () {
        const child = yield* server
        const { port } = yield* received(child, Schema.Struct({ port: Schema.Int }))
        const post = ([stream, body]: readonly [string, string], gzipped: boolean) => {
          const path = `/streams/${stream.replace("?", "/events?invalid=dead-letter")}${stream.endsWith("?") ? "" : "/events"}`
          const headers = gzipped ? { ...asJson, "Content-Encoding": "gzip" } : asJson
          return exchange(port, "POST", path, headers, gzipped ? gzipSync(body) : body)
        }
        for (const [after, ...bodies] of [
          ["lists of 10,000 and JSON of 90,000 values", lists, json],
          ["maps of 10,000 and 1,000 columns", maps, wide],
          ["10,000 dead letters", deadLetters, deadLetters]
        ] as const) {
          const requests = Array.from({ length: 4 }).flatMap((_, i) => bodies.map((body) => post(body, i % 2 === 1)))
          const answers = yield* Effect.all(requests, { concurrency: "unbounded" })
          for (const { status, headers, body } of answers) {
            assert.isTrue(status === 200 || (status === 503 && headers.has("retry-after")), body.slice(0, 300))
          }
          assert.include(
            answers.map(({ status }) => status),
            200
          )
          yield* bounded(child, after)
        }
      }),
    { timeout: 120_000 }
  )
})
