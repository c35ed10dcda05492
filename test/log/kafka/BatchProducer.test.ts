/** Answers that no broker gives on demand: the tests play the broker behind a real socket. */
import { createServer, type Socket } from "node:net"
import { assert, it } from "@effect/vitest"
import { Reader, readRecordsBatch } from "@platformatic/kafka"
import { Deferred, Effect, Layer, Queue } from "effect"
import { Admin } from "../../../layers/log/kafka/Admin.ts"
import * as BatchProducer from "../../../layers/log/kafka/BatchProducer.ts"
import { Cluster } from "../../../layers/log/kafka/Cluster.ts"
import { because, KafkaFailure } from "../../../layers/log/kafka/failures.ts"
import type { Batch, Producer, Trouble } from "../../../layers/log/kafka/Producer.ts"

/** A produce request: its batch of partition 0, and what the test does with it. */
interface Request {
  readonly bytes: string
  readonly sequence: number
  readonly values: ReadonlyArray<string>
  readonly answer: (code: number, offset: number) => void
  readonly cut: () => void
}

const framed = (correlation: number, body: Buffer) => {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + body.length, 0)
  head.writeInt32BE(correlation, 4)
  return Buffer.concat([head, body])
}

const producerId = () => {
  const body = Buffer.alloc(16)
  body.writeBigInt64BE(7n, 6)
  return body
}

const produced = (code: number, offset: number) => {
  const partition = Buffer.alloc(22)
  partition.writeInt16BE(code, 4)
  partition.writeBigInt64BE(BigInt(offset), 6)
  const one = Buffer.from([0, 0, 0, 1])
  return Buffer.concat([one, Buffer.from([0, 1]), Buffer.from("t"), one, partition, Buffer.alloc(4)])
}

/** Its header is 14 bytes with the client id `floe`; the batch follows acks, timeout, the topic `t` and the partition. */
const requestOf = (socket: Socket, frame: Buffer): Request => {
  const batch = frame.subarray(14 + 2 + 2 + 4 + 4 + 3 + 4 + 4 + 4)
  const { firstSequence, records } = readRecordsBatch(Reader.from(batch))
  return {
    bytes: batch.toString("hex"),
    sequence: firstSequence,
    values: records.map(({ value }) => String(value)),
    answer: (code, offset) => socket.write(framed(frame.readInt32BE(4), produced(code, offset))),
    cut: () => socket.destroy()
  }
}

const played = Effect.gen(function* () {
  const requests = yield* Queue.unbounded<Request>()
  const server = createServer((socket) => {
    let data = Buffer.alloc(0)
    socket.on("error", () => {})
    socket.on("data", (chunk: Buffer) => {
      data = Buffer.concat([data, chunk])
      while (data.length >= 4 && data.length >= 4 + data.readInt32BE(0)) {
        const frame = data.subarray(4, 4 + data.readInt32BE(0))
        data = data.subarray(4 + frame.length)
        if (frame.readInt16BE(0) === 22) socket.write(framed(frame.readInt32BE(4), producerId()))
        else Queue.offerUnsafe(requests, requestOf(socket, frame))
      }
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => server.close())
  )
  const address = server.address()
  const port = address !== null && typeof address === "object" ? address.port : 0
  const partition = { leader: 1, leaderEpoch: 0, replicas: [1], isr: [1], offlineReplicas: [] }
  const metadata = {
    id: "played",
    controllerId: 1,
    lastUpdate: 0,
    brokers: new Map([[1, { host: "127.0.0.1", port, rack: null }]]),
    topics: new Map([["t", { id: "t", partitions: [partition], partitionsCount: 1, lastUpdate: 0 }]])
  }
  const admin = Layer.mock(Admin, {
    brokers: "played",
    options: { clientId: "floe", bootstrapBrokers: [`127.0.0.1:${port}`] },
    ask: (_, request) =>
      Effect.promise(() => request(Object.assign(Object.create(null), { metadata: async () => metadata })))
  })
  const cluster = Layer.mock(Cluster, {
    kafka: Object.create(null),
    config: {},
    brokers: "played",
    timeout: 1_500,
    failure: (cause) => new KafkaFailure({ reason: because("it failed"), cause })
  })
  const troubles: Array<Trouble> = []
  const producer = yield* BatchProducer.connect("t", (trouble) => troubles.push(trouble)).pipe(
    Effect.provide([admin, cluster])
  )
  return { producer, next: Queue.take(requests), troubles, requests }
})

/** Sends values as one append; resolves with their offsets, or with the code of their failure. */
const sending = (producer: Producer, values: ReadonlyArray<string>) => {
  const outcome = Deferred.makeUnsafe<ReadonlyArray<number> | number>()
  const offsets: Array<number> = []
  const batch: Batch = {
    open: 0,
    failure: undefined,
    tooLarge: 0,
    delivered: (index, _, offset) => {
      offsets[index] = offset
    },
    done: () => Deferred.doneUnsafe(outcome, Effect.succeed(batch.failure?.code ?? offsets))
  }
  for (const [index, value] of values.entries()) producer.send(batch, index, Buffer.from(value), null, 0)
  return Deferred.await(outcome)
}

it.live("what arrives while a request is in flight is the next batch, and continues its sequence", () =>
  Effect.gen(function* () {
    const { producer, next, requests } = yield* played
    const first = sending(producer, ["a", "b"])
    const one = yield* next
    assert.deepStrictEqual([one.sequence, one.values], [0, ["a", "b"]])
    const second = sending(producer, ["c"])
    const third = sending(producer, ["d", "e"])
    yield* Effect.callback<void>((resume) => void setImmediate(() => setImmediate(() => resume(Effect.void))))
    assert.strictEqual(yield* Queue.size(requests), 0)
    one.answer(0, 10)
    assert.deepStrictEqual(yield* first, [10, 11])
    const two = yield* next
    assert.deepStrictEqual([two.sequence, two.values], [2, ["c", "d", "e"]])
    two.answer(0, 12)
    assert.deepStrictEqual([yield* second, yield* third], [[12], [13, 14]])
  })
)

for (const [what, happens] of [
  ["the connection is cut before the answer", ({ cut }: Request) => cut()],
  ["the leader has moved", ({ answer }: Request) => answer(6, -1)],
  ["too few replicas have it", ({ answer }: Request) => answer(20, -1)]
] as const) {
  it.live(`if ${what}, the same bytes are sent again`, () =>
    Effect.gen(function* () {
      const { producer, next, troubles } = yield* played
      const sent = sending(producer, ["a", "b"])
      const one = yield* next
      happens(one)
      const later = sending(producer, ["c"])
      const again = yield* next
      assert.strictEqual(again.bytes, one.bytes)
      again.answer(0, 5)
      assert.deepStrictEqual(yield* sent, [5, 6])
      const last = yield* next
      assert.deepStrictEqual([last.sequence, last.values], [2, ["c"]])
      last.answer(0, 7)
      assert.deepStrictEqual(yield* later, [7])
      assert.deepStrictEqual(troubles, [])
    })
  )
}

it.live("a batch that the broker refuses takes no sequence numbers", () =>
  Effect.gen(function* () {
    const { producer, next, troubles } = yield* played
    const refused = sending(producer, ["a", "b"])
    const one = yield* next
    one.answer(10, -1)
    assert.strictEqual(yield* refused, 10)
    assert.deepStrictEqual(
      troubles.map(({ fatal }) => fatal),
      [false]
    )
    const sent = sending(producer, ["c"])
    const two = yield* next
    assert.strictEqual(two.sequence, 0)
    two.answer(0, 0)
    assert.deepStrictEqual(yield* sent, [0])
  })
)

for (const [what, happens, code] of [
  ["the broker lost its sequence", ({ answer }: Request) => answer(45, -1), 45],
  ["an answer does not tell whether the batch is logged", ({ answer }: Request) => answer(-1, -1), -1],
  ["no answer comes in time", () => {}, -192]
] as const) {
  it.live(`if ${what}, the producer ends and everything fails`, () =>
    Effect.gen(function* () {
      const { producer, next, troubles } = yield* played
      const sent = sending(producer, ["a"])
      const one = yield* next
      const waiting = sending(producer, ["b"])
      happens(one)
      assert.strictEqual(yield* sent, code)
      assert.strictEqual(yield* waiting, code)
      assert.isTrue(troubles.some(({ fatal }) => fatal))
      assert.throws(() => void sending(producer, ["c"]))
    })
  )
}

it.live("a batch that is refused when it is sent again may be logged already, so the producer ends", () =>
  Effect.gen(function* () {
    const { producer, next, troubles } = yield* played
    const sent = sending(producer, ["a"])
    const one = yield* next
    one.cut()
    const again = yield* next
    again.answer(10, -1)
    // Not 10, which would say that nothing is logged.
    assert.strictEqual(yield* sent, -150)
    assert.isTrue(troubles.some(({ fatal }) => fatal))
    assert.throws(() => void sending(producer, ["b"]))
  })
)
