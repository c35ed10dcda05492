/** What the log on Kafka writes for streams of the user's own, and how it goes on after a restart. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as Consumer from "../../layers/log/kafka/Consumer.ts"
import * as DeadLettersLayer from "../../layers/log/kafka/DeadLetters.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import * as TransactionalProducer from "../../layers/process/kafka/TransactionalProducer.ts"
import { DeadLetters } from "../../services/DeadLetters.ts"
import { EventLog, EventLogReader, type Rejected } from "../../services/EventLog.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { deadLettersOf } from "../../services/Topics.ts"
import { create, logOn, openTransaction, remove, streamsOf, temporaryStream, written } from "./kafkaTopic.ts"

const definition = (name: string, version = 1): AppliedStream => ({
  definition: {
    name,
    columns: [
      { name: "celsius", type: "double", required: true },
      { name: "device", type: "string", required: false },
      ...(version === 1 ? [] : [{ name: "battery", type: "int" as const, required: false }])
    ],
    key: "device",
    partitionBy: []
  },
  version,
  ids: { celsius: 1, device: 2, battery: 3 },
  lastId: 3,
  appliedAt: version
})

const append = Effect.fnUntraced(function* (
  stream: string,
  records: ReadonlyArray<string>,
  rest: {
    readonly key?: string
    readonly digest?: string
    readonly rejected?: ReadonlyArray<Rejected>
    readonly version?: number
  } = {}
) {
  const { key, digest = "d", rejected, version = 1 } = rest
  const idempotency = key === undefined ? undefined : { key, digest }
  return yield* (yield* EventLog).append({ stream, schemaVersion: version, records, rejected, idempotency })
})

const messagesOf = (topic: string) =>
  Effect.gen(function* () {
    const { describe, bounds } = yield* Cluster
    const { partitions } = yield* describe(topic)
    const cursorOf = yield* Consumer.make(topic)
    return yield* Effect.forEach(yield* bounds(topic, partitions.length), ({ partition, start, end }) =>
      Effect.gen(function* () {
        if (start === end) return []
        const cursor = yield* cursorOf.open([{ partition, offset: start }])
        const messages = [...(yield* cursor.next)]
        while ((cursor.ended.get(partition) ?? 0) < end) messages.push(...(yield* cursor.next))
        return messages.map(({ key, value, headers = [] }) => ({
          partition,
          key: key === null ? null : key.toString(),
          value: value?.toString(),
          headers: headers.map((header) =>
            Object.fromEntries(Object.entries(header).map(([name, value]) => [name, value.toString()]))
          )
        }))
      }).pipe(Effect.scoped)
    ).pipe(Effect.map((all) => all.flat()))
  }).pipe(Effect.scoped, Effect.provide(Cluster.layer))

const eventsOf = Effect.fnUntraced(function* (stream: string) {
  const log = (yield* EventLogReader).of(stream)
  const { partitions } = yield* log.bounds
  const all = yield* Effect.forEach(partitions, ({ partition, start }) =>
    Stream.runCollect(log.read({ partition, offset: start }, { until: "end" }))
  )
  return all.flat().map(({ record, schemaVersion }) => [record, schemaVersion])
})

const lettersOf = Effect.fnUntraced(
  function* (stream: string) {
    const { letters, topic } = yield* (yield* DeadLetters).now(stream, () => Effect.void)
    const all = yield* Stream.runCollect(letters)
    return { topic, letters: all.map(({ value, reason, redrives }) => [value?.toString(), reason, redrives]) }
  },
  Effect.provide(DeadLettersLayer.layer.pipe(Layer.provide(MemoryStreams.layer)))
)

const oslo = '{"celsius":1,"device":"Oslo"}'
const lima = '{"celsius":-2.5,"device":"a\\"\\u0000é"}'
const none = '{"celsius":3}'
const rejected = [{ value: '{"celsius":"hot"}', reason: "celsius must be a JSON number; device is required" }]

describe("A stream on Kafka", () => {
  it.live("is messages with the value of its key column, and a header only where there is something to say", () =>
    Effect.gen(function* () {
      const { stream, topic } = yield* temporaryStream()
      yield* Effect.gen(function* () {
        yield* append(stream, [oslo, lima, none])
        yield* append(stream, [oslo], { version: 2 })
        yield* append(stream, [oslo, none], { key: "a key", digest: "digest" })
      }).pipe(Effect.provide(logOn(topic, {}, streamsOf(definition(stream), definition(stream, 2)))))
      assert.deepStrictEqual(yield* messagesOf(stream), [
        { partition: 0, key: "Oslo", value: oslo, headers: [] },
        { partition: 0, key: 'a"\0é', value: lima, headers: [] },
        { partition: 0, key: null, value: none, headers: [] },
        { partition: 0, key: "Oslo", value: oslo, headers: [{ "floe-request": "v2" }] },
        { partition: 0, key: "Oslo", value: oslo, headers: [{ "floe-request": "v1 0/2 digest a key" }] },
        { partition: 0, key: null, value: none, headers: [{ "floe-request": "v1 1/2 digest a key" }] }
      ])
    })
  )

  it.live("keeps the events of a key in one partition, the one that Java's producer gives it", () =>
    Effect.gen(function* () {
      const { stream, topic } = yield* temporaryStream(4)
      const records = ["21", "foobar", "a-little-bit-long-string", "abc"].map(
        (device) => `{"celsius":1,"device":"${device}"}`
      )
      yield* append(stream, records).pipe(Effect.provide(logOn(topic, {}, streamsOf(definition(stream)))))
      const found = new Map((yield* messagesOf(stream)).map(({ key, partition }) => [key, partition]))
      // toPositive(murmur2) of Kafka's UtilsTest, modulo 4.
      const positive = (hash: number) => hash & 0x7fffffff
      assert.deepStrictEqual(Object.fromEntries(found), {
        "21": positive(-973932308) % 4,
        foobar: positive(-790332482) % 4,
        "a-little-bit-long-string": positive(-985981536) % 4,
        abc: positive(479470107) % 4
      })
    })
  )

  it.live("knows its keys, apart from other streams' and weather's, after a restart", () =>
    Effect.gen(function* () {
      const one = yield* temporaryStream()
      const other = yield* temporaryStream()
      const log = logOn(one.topic, {}, streamsOf(definition(one.stream), definition(other.stream)))
      const first = yield* append(one.stream, [oslo, none], { key: "k" }).pipe(Effect.provide(Layer.fresh(log)))
      assert.isFalse(first.repeated)
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* append(one.stream, [oslo, none], { key: "k" }), { ...first, repeated: true })
        assert.isFalse((yield* append(other.stream, [oslo, none], { key: "k" })).repeated)
        const reused = yield* Effect.flip(append(one.stream, [lima], { key: "k", digest: "other" }))
        assert.strictEqual(reused._tag, "KeyReused")
        assert.deepStrictEqual(yield* eventsOf(one.stream), [
          [oslo, 1],
          [none, 1]
        ])
      }).pipe(Effect.provide(Layer.fresh(log)))
    })
  )

  it.live("keeps what the server rejected, once for a key, also after a death between the two topics", () =>
    Effect.gen(function* () {
      const { stream, topic } = yield* temporaryStream()
      const log = logOn(topic, {}, streamsOf(definition(stream)))
      // What is left of a server that died after the dead letters.
      yield* written(deadLettersOf(stream), [
        {
          key: null,
          value: Buffer.from(rejected[0]?.value ?? ""),
          headers: [{ "floe-reason": rejected[0]?.reason ?? "" }, { "floe-rejected": "0/1 d half" }]
        }
      ])
      for (const repeated of [false, true]) {
        yield* Effect.gen(function* () {
          assert.strictEqual((yield* append(stream, [oslo], { rejected, key: "half" })).repeated, repeated)
          const all = yield* append(stream, [], { rejected, key: "all" })
          assert.deepStrictEqual(all, { positions: [], repeated })
          for (const rest of [{}, { rejected }]) {
            const reused = yield* Effect.flip(append(stream, [oslo], { ...rest, key: "all", digest: "other" }))
            assert.strictEqual(reused._tag, "KeyReused")
          }
          assert.deepStrictEqual(yield* eventsOf(stream), [[oslo, 1]])
        }).pipe(Effect.provide(Layer.fresh(log)))
      }
      const letter = [rejected[0]?.value, rejected[0]?.reason, []]
      assert.deepStrictEqual(yield* lettersOf(stream), { topic: `${stream}-dlq`, letters: [letter, letter] })
      yield* Effect.flatMap(DeadLetters, ({ remember }) =>
        remember(stream, { partition: 0, offset: 1 }, `${stream}/0/9`)
      ).pipe(Effect.provide(DeadLettersLayer.layer.pipe(Layer.provide(MemoryStreams.layer))))
      const { letters } = yield* lettersOf(stream)
      assert.deepStrictEqual(letters, [letter, [...letter.slice(0, 2), [`${stream}/0/9`]]])
    })
  )

  it.live("is found by time where its transactions were committed later than its next events were accepted", () =>
    Effect.gen(function* () {
      const { stream, topic } = yield* temporaryStream()
      const producer = yield* TransactionalProducer.connect(`x-${stream}`, stream)
      for (const acceptedAt of [1_000, 2_000, 3_000]) {
        yield* producer.begin
        yield* producer.within(() => producer.produce(stream, 0, Buffer.from(oslo), null, acceptedAt))
        yield* producer.commit
      }
      const { definition: read, ...applied } = definition(stream)
      const derived = { ...applied, definition: { ...read, writer: "a_processor" } }
      yield* Effect.gen(function* () {
        const log = (yield* EventLogReader).of(stream)
        const { partitions } = yield* log.bounds
        const [bounds = { partition: 0, start: 0, end: 0 }] = partitions
        // An event and a marker of each transaction; the end is after the last event.
        const found = yield* Effect.forEach([0, 1_000, 1_001, 2_500, 3_001], (time) => log.firstAt(bounds, time))
        assert.deepStrictEqual(found, [0, 0, 2, 4, 5])
      }).pipe(Effect.provide(logOn(topic, {}, streamsOf(derived))))
    }).pipe(Effect.provide(Cluster.layer))
  )

  it.live("that is recorded while the server runs works at once, and so does a new version", () =>
    Effect.gen(function* () {
      const { stream, topic } = yield* temporaryStream()
      yield* Effect.gen(function* () {
        const { record } = yield* Streams
        yield* record(definition(stream))
        yield* append(stream, [oslo])
        yield* record(definition(stream, 2))
        const full = '{"celsius":1,"device":"Oslo","battery":7}'
        yield* append(stream, [full], { version: 2 })
        assert.deepStrictEqual(yield* eventsOf(stream), [
          [oslo, 1],
          [full, 2]
        ])
      }).pipe(
        Effect.provide(
          Layer.unwrap(
            Effect.map(Effect.provide(Streams, streamsOf()), (streams) => {
              const shared = Layer.succeed(Streams, streams)
              return logOn(topic, {}, shared).pipe(Layer.provideMerge(shared))
            })
          )
        )
      )
    })
  )

  it.live("leaves out what other programs wrote, also where a transaction left gaps", () =>
    Effect.gen(function* () {
      const { stream, topic } = yield* temporaryStream()
      yield* Effect.scoped(openTransaction(stream, Buffer.from(none)))
      const value = (text: string) => ({ key: null, value: Buffer.from(text) })
      yield* written(stream, [
        value(' { "device": "x",\n"celsius": 1 } '),
        value('{"celsius":"1"}'),
        value('{"celsius":1.0}'),
        value('{"celsius":1,"celsius":1}'),
        value('{"celsius":1,"device":null}'),
        value('{"celsius":1,"other":1}'),
        value('{"device":"x"}'),
        value("[1]"),
        value("x")
      ])
      yield* Effect.gen(function* () {
        const [at] = (yield* append(stream, [oslo], { key: "k" })).positions
        assert.isAbove(at?.offset ?? 0, 9)
        assert.deepStrictEqual(yield* eventsOf(stream), [
          ['{"celsius":1,"device":"x"}', 1],
          [oslo, 1]
        ])
      }).pipe(Effect.provide(logOn(topic, {}, streamsOf(definition(stream)))))
    })
  )

  it.live("without its topic takes nothing, with a sentence, and the other streams go on", () =>
    Effect.gen(function* () {
      const one = yield* temporaryStream()
      const other = yield* temporaryStream()
      yield* Effect.gen(function* () {
        yield* append(one.stream, [oslo])
        yield* append(other.stream, [oslo])
        yield* remove(one.stream)
        const error = yield* append(one.stream, [oslo]).pipe(
          Effect.as(undefined),
          Effect.catchTag("AppendOutcomeUnknown", () => Effect.undefined),
          Effect.repeat({ times: 200, until: (done) => done !== undefined }),
          Effect.flip
        )
        assert.strictEqual(error._tag, "LogUnavailable")
        for (let i = 0; i < 20; i++) yield* append(other.stream, [oslo])
        yield* create(one.stream, 1)
        yield* append(one.stream, [none]).pipe(
          Effect.retry({ while: ({ _tag }) => _tag === "LogUnavailable" || _tag === "AppendOutcomeUnknown" }),
          Effect.timeout("30 seconds")
        )
        assert.deepStrictEqual(yield* eventsOf(one.stream), [[none, 1]])
      }).pipe(Effect.provide(logOn(one.topic, {}, streamsOf(definition(one.stream), definition(other.stream)))))
    })
  )
})
