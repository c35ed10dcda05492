/** Interleavings that no broker produces on demand: the tests play the brokers and the client. */
import type { Kafka, Message } from "@confluentinc/kafka-javascript"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Cluster } from "../../../layers/log/kafka/Cluster.ts"
import type { Consumers } from "../../../layers/log/kafka/Consumer.ts"
import { because, KafkaFailure } from "../../../layers/log/kafka/failures.ts"
import * as IdempotencyIndex from "../../../layers/log/kafka/IdempotencyIndex.ts"
import * as KeyIndexer from "../../../layers/log/kafka/KeyIndexer.ts"
import * as ProducerSupervisor from "../../../layers/log/kafka/ProducerSupervisor.ts"
import { record } from "../eventLogContract.ts"

const hour = 60 * 60 * 1_000

/** A client whose events and disconnect responses come from the test. */
const clientOf = () => {
  const listeners = new Map<string, (event: unknown) => void>()
  const disconnecting = Deferred.makeUnsafe<() => void>()
  class Producer {
    on(event: string, listener: (event: unknown) => void) {
      listeners.set(event, listener)
      return this
    }
    connect(_: object, answer: (error: undefined) => void) {
      answer(undefined)
      return this
    }
    setPollInBackground() {
      return this
    }
    produce() {}
    disconnect(_: number, answer: (error: undefined) => void) {
      Deferred.doneUnsafe(
        disconnecting,
        Exit.succeed(() => answer(undefined))
      )
      return this
    }
  }
  const kafka: Kafka = Object.assign(Object.create(null), { Producer })
  return { kafka, fail: (message: string) => listeners.get("event.error")?.({ message, code: -1 }), disconnecting }
}

const clusterOf = (played: Partial<Cluster["Service"]>) =>
  Layer.mock(Cluster, {
    kafka: clientOf().kafka,
    brokers: "played:9092",
    timeout: 1_000,
    config: {},
    failure: (cause) => new KafkaFailure({ reason: because("it failed"), cause }),
    describe: () => Effect.succeed({ id: "one", partitions: [{ replicas: 1 }] }),
    ...played
  })

const quiet: KeyIndexer.KeyIndexer = {
  toWindow: Effect.succeed(0),
  forget: () => {},
  seek: () => {},
  places: () => [0],
  catchUp: Effect.void
}

it.effect("an append is answered although the log closes while its producer is replaced", () =>
  Effect.gen(function* () {
    const client = clientOf()
    const scope = yield* Scope.make()
    const { sender, ready } = yield* ProducerSupervisor.make("weather", quiet, false).pipe(
      Effect.provide(clusterOf({ kafka: client.kafka })),
      Scope.provide(scope)
    )
    yield* ready
    const appending = yield* sender
      .send({
        records: [record("Oslo")],
        key: null,
        headers: () => undefined,
        acceptedAt: 0,
        onDelivered: () => {},
        onEnd: () => {}
      })
      .pipe(Effect.flip, Effect.forkChild({ startImmediately: true }))
    client.fail("fatal error")
    const adjusting = yield* Effect.forkChild(Effect.forever(TestClock.adjust("100 millis")))
    const disconnected = yield* Deferred.await(client.disconnecting)
    yield* Fiber.interrupt(adjusting)
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    disconnected()
    yield* Fiber.join(closing)
    assert.strictEqual((yield* Fiber.join(appending))._tag, "AppendOutcomeUnknown")
  })
)

/** A topic of one partition; the test releases each batch of messages. */
const topicOf = (pieces: ReadonlyArray<Deferred.Deferred<ReadonlyArray<number>>>, end: number) => {
  const opened: Array<number> = []
  let piece = 0
  const consumers: Consumers = {
    open: (places) => {
      opened.push(...places.map(({ offset }) => offset))
      const next = Effect.suspend(() =>
        Deferred.await(pieces[piece++] ?? Deferred.makeUnsafe<ReadonlyArray<number>>())
      ).pipe(
        Effect.map((offsets) => offsets.map((offset): Message => ({ partition: 0, offset, value: null, key: null })))
      )
      return Effect.succeed({ seek: () => {}, isReady: () => true, next, ended: new Map() })
    }
  }
  return { consumers, opened, cluster: clusterOf({ offsets: () => Effect.succeed([end]) }) }
}

it.effect("the indexer seeks back although it is reading", () =>
  Effect.gen(function* () {
    const pieces = [1, 2, 3].map(() => Deferred.makeUnsafe<ReadonlyArray<number>>())
    const give = (piece: number, offsets: ReadonlyArray<number>) => {
      const deferred = pieces[piece]
      return deferred === undefined ? Effect.void : Deferred.succeed(deferred, offsets)
    }
    const { cluster, consumers, opened } = topicOf(pieces, 10)
    const indexer = yield* KeyIndexer.make(consumers, "weather", IdempotencyIndex.make(100), 100, () => 0).pipe(
      Effect.provide(cluster)
    )
    indexer.seek([5])
    const first = yield* Effect.forkChild(indexer.catchUp, { startImmediately: true })
    yield* give(0, [5])
    while (indexer.places()[0] !== 6) yield* Effect.yieldNow
    indexer.seek([0])
    yield* give(1, [6, 7, 8, 9])
    yield* Fiber.join(first)
    const second = yield* Effect.forkChild(indexer.catchUp, { startImmediately: true })
    yield* give(2, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    yield* Fiber.join(second)
    assert.deepStrictEqual(opened, [5, 0])
  })
)

it.effect("of four partitions together, not of each, the indexer reads the last keysMax events", () =>
  Effect.gen(function* () {
    // A million events in each, one in 20 milliseconds, the last of them now.
    const end = 1_000_000
    const now = 100 * hour
    const offsetAt = (at: number) => Math.max(0, end - Math.floor((now - at) / 20))
    const cluster = clusterOf({
      describe: () => Effect.succeed({ id: "one", partitions: Array.from({ length: 4 }, () => ({ replicas: 1 })) }),
      offsets: (_, count, at) =>
        Effect.succeed(Array.from({ length: count }, () => (at === "start" ? 0 : at === "end" ? end : offsetAt(at))))
    })
    const { consumers } = topicOf([], 0)
    const indexer = yield* KeyIndexer.make(
      consumers,
      "weather",
      IdempotencyIndex.make(200_000),
      200_000,
      () => now
    ).pipe(Effect.provide(cluster))
    const events = yield* indexer.toWindow
    // Each also reads 10,000 before the window, for requests that begin before it.
    assert.isAtLeast(events, 200_000 + 4 * 10_000)
    assert.isAtMost(events, 200_000 + 4 * 10_000 + 100)
  })
)
