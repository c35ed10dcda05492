import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as MetastoreLayer from "../../../layers/operate/probes/Metastore.ts"
import { answerOf, call } from "../../../layers/operate/probes/thrift.ts"
import { Metastore } from "../../../services/Metastore.ts"
import recorded from "../../recorded/metastore.json" with { type: "json" }
import { listening } from "../../support/tcpService.ts"

const bytes = (hex: string) => Buffer.from(hex, "hex")
const twoLocks = bytes(recorded.twoLocks)

const at = (uri: string) =>
  MetastoreLayer.layer.pipe(
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ FLOE_METASTORE_URI: uri }), { asPrimary: true }))
  )

const asked = <A, E>(place: string, question: (metastore: Metastore["Service"]) => Effect.Effect<A, E>) =>
  Metastore.use(question).pipe(Effect.provide(at(`thrift://${place}`)))

const answered = (answer: Buffer) => listening((_, socket) => socket.write(answer))

describe("Thrift's binary protocol", () => {
  it("given only a part of an answer, it waits for the rest", () => {
    for (let length = 0; length < twoLocks.length; length++) {
      assert.isUndefined(answerOf(twoLocks.subarray(0, length)), `${length} bytes`)
    }
    assert.deepStrictEqual(answerOf(bytes(recorded.version)), { _tag: "Reply", fields: { 0: "3.0" } })
  })

  it("given a length or a depth that cannot be, it throws", () => {
    const header = recorded.noLocks.slice(0, 44)
    const absurd = {
      "a text of length 2147483647": `${header}0b00007fffffff`,
      "a text of length -1": `${header}0b0000ffffffff`,
      "a list of length 16777216": `${header}0f00000c01000000`,
      "values nested too deeply": `${header}${"0c0001".repeat(40)}`,
      "a value of type 99": `${header}630000`,
      "does not begin as": Buffer.from("HTTP/1.1 400 Bad Request").toString("hex")
    }
    for (const [reason, hex] of Object.entries(absurd)) assert.throws(() => answerOf(bytes(hex)), reason)
  })
})

describe("Metastore", () => {
  it.live("reads the version and the locks, and closes its connections", () =>
    Effect.gen(function* () {
      const questions: Array<Buffer> = []
      const server = yield* listening((question, socket) => {
        questions.push(question)
        socket.write(question.includes("getVersion") ? bytes(recorded.version) : twoLocks.subarray(0, 100))
        setImmediate(() => socket.write(twoLocks.subarray(100)))
      })
      assert.strictEqual(yield* asked(server.place, (metastore) => metastore.version), "3.0")
      const locks = yield* asked(server.place, (metastore) => metastore.locks)
      const known = { user: "someone", host: "a-host", heartbeatAt: 1795396455585 }
      assert.deepStrictEqual(locks, [
        { id: 987001, schema: "default", table: "x_status", state: "ACQUIRED", acquiredAt: 1795396455585, ...known },
        { id: 987002, schema: "x_schema", table: null, state: "WAITING", acquiredAt: null, ...known }
      ])
      assert.deepStrictEqual(questions, [call("getVersion"), call("show_locks", 1)])
      while (server.open() > 0) yield* Effect.sleep("5 millis")
    }).pipe(Effect.scoped)
  )

  it.live("given no locks, the list is empty", () =>
    Effect.gen(function* () {
      const { place } = yield* answered(bytes(recorded.noLocks))
      assert.deepStrictEqual(yield* asked(place, (metastore) => metastore.locks), [])
    }).pipe(Effect.scoped)
  )

  it.live("given an answer that is none, the error is a sentence with what to do", () =>
    Effect.gen(function* () {
      const failure = (place: string) =>
        Effect.map(Effect.flip(asked(place, (metastore) => metastore.locks)), ({ message }) =>
          message.replaceAll(place, "place")
        )
      const sentences = {
        "it rejects the call (Invalid method name: 'nonsense'); Floe needs a Hive 3 metastore.": recorded.unknownMethod,
        "what answers at place is not a Hive 3 metastore; set FLOE_METASTORE_URI to its address.": recorded.version,
        "place sent an invalid response (it does not begin as Thrift's binary protocol does); set FLOE_METASTORE_URI to its address.":
          Buffer.from("HTTP/1.1 400 Bad Request\r\n").toString("hex")
      }
      for (const [sentence, hex] of Object.entries(sentences)) {
        const { place } = yield* answered(bytes(hex))
        assert.strictEqual(yield* failure(place), `The metastore cannot be reached (show_locks): ${sentence}`)
      }
      const ending = yield* listening((_, socket) => socket.end())
      assert.include(
        yield* failure(ending.place),
        "place closed the connection without a response; set FLOE_METASTORE_URI"
      )
      ending.close()
      assert.include(
        yield* failure(ending.place),
        "nothing answers at place (nothing listens there); start it or look at its log, or set FLOE_METASTORE_URI"
      )
      const silent = yield* listening(() => {})
      assert.include(yield* failure(silent.place), "place does not answer within 3 seconds")
      const long = yield* answered(
        Buffer.concat([
          bytes(`${recorded.noLocks.slice(0, 44)}0f00000b00000014`),
          ...Array.from({ length: 20 }, () => Buffer.concat([Buffer.from([0, 15, 0, 0]), Buffer.alloc(0xf0000)]))
        ])
      )
      assert.include(yield* failure(long.place), "place sent more than 4194304 bytes")
    }).pipe(Effect.scoped)
  )

  it.live("given an invalid address, the error names it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.void.pipe(Effect.provide(at("localhost:9083"))))
      assert.include(error.message, "expected an address, for example thrift://localhost:9083")
    })
  )
})
