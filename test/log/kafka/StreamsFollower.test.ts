/** A consumer that stays silent, which no broker produces on demand: the test plays the broker and the client. */
import type { Kafka, Message } from "@confluentinc/kafka-javascript"
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Cluster } from "../../../layers/log/kafka/Cluster.ts"
import type { Consumers } from "../../../layers/log/kafka/Consumer.ts"
import { because, KafkaFailure } from "../../../layers/log/kafka/failures.ts"
import * as StreamsFollower from "../../../layers/log/kafka/StreamsFollower.ts"
import { valueOf, versionKey } from "../../../layers/log/kafka/streamRecords.ts"
import { definition } from "../streamsContract.ts"

const recordOf = (version: number, offset: number): Message => {
  const stream = definition("readings", version)
  const value = valueOf(stream)
  return {
    partition: 0,
    offset,
    key: Buffer.from(versionKey(stream)),
    value
  }
}

/** For how long a consumer without records lets its caller wait, in the time of the test. */
const pollOfConsumer = Effect.sleep("500 millis")

/** A topic of these records, and consumers of it; `isSilent` says of each, by its number, whether it gives any. */
const played = (isSilent: (consumer: number) => boolean) => {
  const records: Array<Message> = []
  const opened: Array<number> = []
  const released: Array<string> = []
  const kafka: Kafka = Object.create(null)
  const cluster = Layer.mock(Cluster, {
    kafka,
    brokers: "played:9092",
    timeout: 1_000,
    config: {},
    failure: (cause) => new KafkaFailure({ reason: because("it failed"), cause }),
    describe: () => Effect.succeed({ id: "one", partitions: [{ replicas: 1 }] }),
    offsets: (_topic, _partitions, at) => Effect.sync(() => [at === "start" ? 0 : records.length])
  })
  const consumers: Consumers = {
    open: ([place]) =>
      Effect.gen(function* () {
        const consumer = opened.push(place?.offset ?? -1)
        yield* Effect.addFinalizer((exit) => Effect.sync(() => released.push(Exit.isFailure(exit) ? "ended" : "kept")))
        let next = place?.offset ?? 0
        return {
          seek: () => {},
          isReady: () => true,
          ended: new Map(),
          next: Effect.gen(function* () {
            yield* pollOfConsumer
            if (isSilent(consumer)) return []
            const messages = records.slice(next)
            next = records.length
            return messages
          })
        }
      })
  }
  return { cluster, consumers, records, opened, released }
}

it.effect("a consumer that gives nothing of what the topic has is replaced by a new one", () =>
  Effect.gen(function* () {
    const { cluster, consumers, opened, records, released } = played((consumer) => consumer === 1)
    yield* Effect.gen(function* () {
      const { known, upToDate } = yield* StreamsFollower.following("floe-streams", consumers)
      assert.strictEqual((yield* known).histories.size, 0)
      records.push(recordOf(1, 0))
      const asked = yield* Effect.forkChild(upToDate)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual((yield* Fiber.join(asked)).histories.get("readings")?.length, 1)
      assert.deepStrictEqual(opened, [0, 0])
      assert.deepStrictEqual(released, ["ended"])
    }).pipe(Effect.scoped, Effect.provide(cluster))
  })
)

it.effect("one that reads goes on, however often the topic grows", () =>
  Effect.gen(function* () {
    const { cluster, consumers, opened, records } = played(() => false)
    yield* Effect.gen(function* () {
      const { known } = yield* StreamsFollower.following("floe-streams", consumers)
      yield* known
      for (let version = 1; version <= 30; version++) {
        records.push(recordOf(version, version - 1))
        yield* TestClock.adjust("700 millis")
      }
      assert.isAtLeast((yield* known).histories.get("readings")?.length ?? 0, 29)
      assert.deepStrictEqual(opened, [0])
    }).pipe(Effect.scoped, Effect.provide(cluster))
  })
)
