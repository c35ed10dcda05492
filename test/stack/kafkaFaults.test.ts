import { assert, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Result, Schedule, Scope, Stream } from "effect"
import { bytesOf } from "../../layers/log/kafka/recordLimit.ts"
import { headersOf, valueOf } from "../../layers/log/kafka/records.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import { everything, positionsOf, record } from "../log/eventLogContract.ts"
import { goOn, limited, paused } from "./kafkaBroker.ts"
import { addPartitions, create, logOn, openTransaction, remove, temporaryTopic, written } from "./kafkaTopic.ts"

const citiesOf = (prefix: string) =>
  Effect.map(everything, (events) => events.map(({ record }) => record.city).filter((city) => city.startsWith(prefix)))

/** Waits until the log accepts events again. */
const taking = Effect.flatMap(EventLog, ({ ready }) => Effect.retry(ready, Schedule.spaced("100 millis")))

const withTimeout = { timeout: 60_000 }

it.live(
  "knows the keys of the topic after a restart, with their positions and their first hour",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic(2)
      const one = { records: [record("Oslo")], idempotency: { key: "one", digest: "d1" } }
      const many = {
        records: Array.from({ length: 1000 }, (_, i) => record(`Many ${i}`)),
        idempotency: { key: "many", digest: "d2" }
      }
      const first = yield* Effect.gen(function* () {
        const log = yield* EventLog
        return [yield* log.append(one), yield* log.append(many)] as const
      }).pipe(Effect.provide(logOn(topic)))
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const later = { ...one, records: [record("Oslo", "2026-01-08-15")] }
        assert.deepStrictEqual(yield* log.append(later), { ...first[0], repeated: true })
        assert.deepStrictEqual(yield* log.append(many), { ...first[1], repeated: true })
        const other = { ...one, idempotency: { key: "one", digest: "d9" } }
        assert.strictEqual((yield* Effect.flip(log.append(other)))._tag, "KeyReused")
        assert.strictEqual((yield* everything).length, 1001)
      }).pipe(Effect.provide(logOn(topic)))
    }),
  withTimeout
)

it.live(
  "forgets keys by the number of later events",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const append = { records: [record("Old")], idempotency: { key: "old", digest: "d1" } }
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        yield* log.append(append)
        yield* log.append({ records: Array.from({ length: 99 }, () => record("Later")) })
        assert.isTrue((yield* log.append(append)).repeated)
        yield* log.append({ records: [record("Later")] })
        assert.isFalse((yield* log.append(append)).repeated)
      }).pipe(Effect.provide(logOn(topic, { FLOE_KEYS_MAX: "100" })))
    }),
  withTimeout
)

it.live(
  "two servers that share their keys log a request once",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic(2)
      const scope = yield* Effect.scope
      const server = Layer.buildWithScope(logOn(topic, { FLOE_KEYS_SHARED: "true" }), scope)
      const [one, two] = yield* Effect.all([server, server])
      for (let i = 0; i < 20; i++) {
        const append = { records: [record(`Shared ${i}`)], idempotency: { key: `shared-${i}`, digest: "d1" } }
        const first = yield* Context.get(one, EventLog).append(append)
        assert.deepStrictEqual(yield* Context.get(two, EventLog).append(append), { ...first, repeated: true })
      }
      const logged = yield* Effect.provide(citiesOf("Shared"), one)
      assert.strictEqual(logged.length, 20)
    }),
  withTimeout
)

it.live(
  "completes a request that is only partly in the topic, under its first hour",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const idempotency = { key: "half", digest: "d1" }
      yield* written(topic, [{ value: valueOf(record("Half 1")), headers: headersOf(idempotency, 1, 3), key: "half" }])
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const records = [0, 1, 2].map((i) => record(`Half ${i}`, "2026-01-08-23"))
        const appended = yield* log.append({ records, idempotency })
        assert.strictEqual(appended.ts, "2026-01-08-14")
        assert.isFalse(appended.repeated)
        assert.deepStrictEqual(
          positionsOf(appended).map(({ offset }) => offset),
          [1, 0, 2]
        )
        const events = yield* everything
        assert.deepStrictEqual(
          events.map(({ record }) => [record.city, record.ts]),
          ["Half 1", "Half 0", "Half 2"].map((city) => [city, "2026-01-08-14"])
        )
        assert.isTrue((yield* log.append({ records, idempotency })).repeated)
      }).pipe(Effect.provide(logOn(topic)))
    }),
  withTimeout
)

it.live(
  "reads over what other programs wrote",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      yield* written(topic, [
        { value: Buffer.from("42"), key: null },
        { value: valueOf(record("Oslo")), key: "theirs" },
        { value: Buffer.from([0xff, 0xfe]), key: null }
      ])
      yield* Effect.gen(function* () {
        yield* (yield* EventLog).append({ records: [record("Lima")] })
        assert.deepStrictEqual(
          (yield* everything).map(({ record, position }) => [record.city, position.offset]),
          [
            ["Oslo", 1],
            ["Lima", 3]
          ]
        )
      }).pipe(Effect.provide(logOn(topic)))
    }),
  withTimeout
)

it.live(
  "a missing topic is named, and used once it exists; recreated, it has none of the old keys",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      yield* remove(topic)
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const append = { records: [record("Oslo")], idempotency: { key: "k", digest: "d1" } }
        const missing = yield* Effect.flip(log.append(append))
        assert.strictEqual(missing._tag, "LogUnavailable")
        assert.include(
          missing.message,
          `the topic ${topic} does not exist; if it never existed, create it with floe topics create`
        )
        yield* create(topic, 1)
        yield* taking
        assert.isFalse((yield* log.append(append)).repeated)
        assert.isTrue((yield* log.append(append)).repeated)
        yield* remove(topic)
        yield* Effect.flip(log.append({ records: [record("Lima")] }))
        yield* create(topic, 1)
        yield* taking
        assert.isFalse((yield* log.append(append)).repeated)
        assert.strictEqual((yield* citiesOf("Oslo")).length, 1)
      }).pipe(Effect.provide(logOn(topic, { FLOE_KAFKA_TIMEOUT: "2 seconds" })))
    }),
  withTimeout
)

it.live(
  "a topic that is recreated at once is noticed, though nothing failed",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const append = { records: [record("Oslo")], idempotency: { key: "k", digest: "d1" } }
        yield* taking
        yield* log.append(append)
        yield* remove(topic)
        yield* create(topic, 1)
        yield* log
          .append(append)
          .pipe(
            Effect.repeat({ while: ({ repeated }) => repeated, schedule: Schedule.spaced("100 millis") }),
            Effect.retry({ while: ({ _tag }) => _tag === "LogUnavailable", schedule: Schedule.spaced("100 millis") }),
            Effect.timeout("15 seconds")
          )
        assert.deepStrictEqual(yield* citiesOf("Oslo"), ["Oslo"])
      }).pipe(Effect.provide(logOn(topic)))
    }),
  withTimeout
)

it.live(
  "knows the keys of partitions that are added while it runs",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const scope = yield* Effect.scope
      const server = Layer.buildWithScope(logOn(topic, { FLOE_KEYS_SHARED: "true" }), scope)
      const before = yield* server
      yield* Context.get(before, EventLog).append({ records: [record("Before")] })
      yield* addPartitions(topic, 4)
      const after = yield* server
      const partitions = new Set<number>()
      for (let i = 0; i < 20; i++) {
        const append = { records: [record(`Added ${i}`)], idempotency: { key: `added-${i}`, digest: "d1" } }
        const first = yield* Context.get(after, EventLog).append(append)
        for (const { partition } of first.positions) partitions.add(partition)
        assert.deepStrictEqual(yield* Context.get(before, EventLog).append(append), { ...first, repeated: true })
      }
      assert.isAbove(partitions.size, 1)
    }),
  withTimeout
)

it.live(
  "does not stand still behind the open transaction of another program",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      yield* openTransaction(topic, valueOf(record("Theirs")))
      yield* Effect.gen(function* () {
        yield* taking
        yield* (yield* EventLog).append({ records: [record("Ours")] })
        const events = yield* everything
        assert.deepStrictEqual(
          events.map(({ record }) => record.city),
          ["Theirs", "Ours"]
        )
      }).pipe(Effect.provide(logOn(topic)), Effect.timeout("20 seconds"))
    }),
  withTimeout
)

it.live(
  "with shared keys, what may be logged in part stays uncertain when the topic cannot be read",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const idempotency = { key: "half", digest: "d1" }
      yield* written(topic, [{ value: valueOf(record("Half 0")), headers: headersOf(idempotency, 0, 2), key: "half" }])
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const append = { records: [record("Half 0"), record("Half 1")], idempotency }
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* paused
            assert.strictEqual((yield* Effect.flip(log.append(append)))._tag, "AppendOutcomeUnknown")
          })
        )
        yield* taking
        yield* log.append(append)
        assert.deepStrictEqual(yield* citiesOf("Half"), ["Half 0", "Half 1"])
      }).pipe(Effect.provide(logOn(topic, { FLOE_KEYS_SHARED: "true" })))
    }),
  withTimeout
)

it.live(
  "notices a silent broker though nobody appends",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      yield* Effect.gen(function* () {
        const { ready } = yield* EventLog
        yield* ready
        yield* paused
        yield* Effect.repeat(Effect.exit(ready), {
          until: Exit.isFailure,
          schedule: Schedule.spaced("100 millis")
        }).pipe(Effect.timeout("15 seconds"))
      }).pipe(Effect.scoped, Effect.provide(logOn(topic)))
    }),
  withTimeout
)

it.live(
  "no broker at the address is named, and certainly nothing is logged",
  () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const error = yield* Effect.flip(log.append({ records: [record("Oslo")] }))
      assert.strictEqual(error._tag, "LogUnavailable")
      assert.match(error.message, /no broker answers at 127\.0\.0\.1:1 \(connection refused\)/)
      const unready = yield* Effect.flip(log.ready)
      assert.strictEqual(unready.message.replace("ready", "append"), error.message)
    }).pipe(Effect.provide(logOn("weather", { FLOE_KAFKA_BROKERS: "127.0.0.1:1" }))),
  withTimeout
)

for (const partitions of [1, 4])
  it.live(
    `a broker that stops answering: uncertain, then unavailable; a repeat completes it and doubles nothing (${partitions} partitions)`,
    () =>
      Effect.gen(function* () {
        const topic = yield* temporaryTopic(partitions)
        yield* Effect.gen(function* () {
          const log = yield* EventLog
          if (partitions === 1) yield* log.append({ records: [record("Before")] })
          const settled = { records: [record("Settled")], idempotency: { key: "settled", digest: "d" } }
          yield* log.append(settled)
          const appends = Array.from({ length: 50 }, (_, i) => ({
            records: [record(`Late ${i} a`), record(`Late ${i} b`)],
            idempotency: { key: `late-${i}`, digest: `d${i}` }
          }))
          yield* Effect.gen(function* () {
            yield* paused
            const errors = yield* Effect.forEach(appends, (append) => Effect.flip(log.append(append)), {
              concurrency: "unbounded"
            })
            for (const error of errors) assert.strictEqual(error._tag, "AppendOutcomeUnknown")
            const rejected = yield* Effect.flip(log.append({ records: [record("Refused")] }))
            assert.strictEqual(rejected._tag, "LogUnavailable")
            const again = yield* Effect.flip(log.append(appends[0] ?? { records: [] }))
            assert.strictEqual(again._tag, "AppendOutcomeUnknown")
            assert.isTrue((yield* log.append(settled)).repeated)
          }).pipe(Effect.scoped)
          yield* taking
          const repeated = yield* Effect.forEach(appends, (append) => log.append(append), { concurrency: "unbounded" })
          assert.strictEqual((yield* citiesOf("Refused")).length, 0)
          assert.deepStrictEqual(
            (yield* citiesOf("Late")).sort(),
            appends.flatMap(({ records }) => records.map(({ city }) => city)).sort()
          )
          const reader = yield* EventLogReader
          for (const [i, appended] of repeated.entries()) {
            const found = yield* Effect.forEach(positionsOf(appended), (position) =>
              reader.read(position, { until: "end" }).pipe(Stream.runHead, Effect.flatMap(Effect.fromOption))
            )
            assert.deepStrictEqual(
              found.map(({ record }) => record.city),
              [`Late ${i} a`, `Late ${i} b`]
            )
          }
        }).pipe(Effect.provide(logOn(topic, { FLOE_KAFKA_TIMEOUT: "2 seconds" })))
      }),
    withTimeout
  )

it.live(
  "a record larger than the topic allows is rejected with the limit, and no other is; batches stay below it",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const idempotency = { key: "a key", digest: "d".repeat(43) }
      const large = { records: [record("Oslo".repeat(20))], idempotency }
      const [message] = large.records.map((one) => ({
        value: valueOf(one),
        key: "b key",
        headers: headersOf(idempotency, 0, 1)
      }))
      const write = Effect.exit(written(topic, message === undefined ? [] : [message]))
      // The broker decides what is too large, to the byte.
      const bytes = message === undefined ? 0 : bytesOf(message.value, message.key, message.headers)
      yield* limited(topic, bytes)
      assert.isTrue(Exit.isSuccess(yield* write))
      yield* limited(topic, bytes - 1)
      assert.isTrue(Exit.isFailure(yield* write))
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        yield* taking
        const rejected = yield* Effect.flip(log.append(large))
        assert.deepInclude(rejected, { _tag: "RecordTooLarge", index: 0, bytes, limit: bytes - 1 })
        yield* log.ready
        const many = Array.from({ length: 500 }, (_, i) => record(`Small ${i}`))
        yield* log.append({ records: many })
        const second = yield* Effect.flip(log.append({ records: [record("Lima"), ...large.records], idempotency }))
        assert.deepInclude(second, { _tag: "RecordTooLarge", index: 1 })
        // The log rereads a limit that is lowered while it runs; the broker applies it a moment after the command.
        yield* limited(topic, bytes - 100)
        const less = { records: [record("Rome".repeat(19))] }
        const last = yield* Effect.result(log.append(less)).pipe(
          Effect.repeat({
            until: (one) => Result.isFailure(one) && one.failure._tag === "RecordTooLarge",
            schedule: Schedule.spaced("100 millis")
          }),
          Effect.timeout("15 seconds")
        )
        assert.deepInclude(yield* Effect.flip(Effect.fromResult(last)), { limit: bytes - 100 })
        yield* taking
        yield* log.append({ records: [record("Small last")] })
        assert.strictEqual((yield* citiesOf("Small")).length, 501)
        assert.strictEqual((yield* citiesOf("Oslo")).length, 1)
        assert.strictEqual((yield* citiesOf("Lima")).length, 0)
      }).pipe(Effect.provide(logOn(topic)))
    }),
  withTimeout
)

it.live(
  "closing waits for what is in flight",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const scope = yield* Scope.make()
      const log = Context.get(yield* Layer.buildWithScope(logOn(topic), scope), EventLog)
      const records = Array.from({ length: 10_000 }, (_, i) => record(`Last ${i}`))
      const appends = yield* Effect.forEach([1, 2, 3, 4], () =>
        Effect.forkChild(log.append({ records }), { startImmediately: true })
      )
      yield* Scope.close(scope, Exit.void)
      for (const append of appends) assert.strictEqual(positionsOf(yield* Fiber.join(append)).length, 10_000)
    }),
  withTimeout
)

it.live(
  "closing answers what cannot be delivered",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic()
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(logOn(topic), scope)
      const log = Context.get(context, EventLog)
      yield* log.append({ records: [record("Before")] })
      yield* paused
      const append = yield* Effect.forkChild(Effect.flip(log.append({ records: [record("Lost")] })), {
        startImmediately: true
      })
      const started = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - started, 4_000)
      assert.strictEqual((yield* Fiber.join(append))._tag, "AppendOutcomeUnknown")
      yield* goOn
    }),
  withTimeout
)
