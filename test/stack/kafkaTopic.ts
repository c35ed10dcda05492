/** A test's own topic on the broker of FLOE_KAFKA_BROKERS, and the log on it; both are removed when the scope closes. */
import { randomUUID } from "node:crypto"
import type { Header } from "@confluentinc/kafka-javascript"
import { ConfigProvider, Deferred, Effect, Exit, Layer, Schedule } from "effect"
import { recognizing } from "../../layers/ingest/checker/LoggedEvents.ts"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import { ask } from "../../layers/log/kafka/client.ts"
import * as EventLog from "../../layers/log/kafka/EventLog.ts"
import * as Producer from "../../layers/log/kafka/Producer.ts"
import * as Topics from "../../layers/log/kafka/Topics.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams as StreamsService } from "../../services/Streams.ts"
import { deadLettersOf, Topics as TopicsService } from "../../services/Topics.ts"

interface Written {
  readonly value: Buffer
  readonly key: string | null
  readonly headers?: ReadonlyArray<Header>
}

/** Writes records as another program would, one after the other. */
export const written = (topic: string, messages: ReadonlyArray<Written>) =>
  Effect.gen(function* () {
    const producer = yield* Producer.connect(topic, () => {})
    for (const { value, key, headers } of messages) {
      yield* Effect.callback<void>((resume) => {
        const batch: Producer.Batch = {
          open: 0,
          failure: undefined,
          tooLarge: 0,
          delivered: () => {},
          done: () => resume(batch.failure === undefined ? Effect.void : Effect.die(batch.failure))
        }
        producer.send(batch, 0, value, key, 0, headers)
      })
    }
  }).pipe(Effect.scoped, Effect.provide(Cluster.layer))

/** Writes a record in an open transaction of another program; the transaction ends when the scope closes. */
export const openTransaction = (topic: string, value: Buffer) =>
  Effect.gen(function* () {
    const { kafka, config } = yield* Cluster
    const producer = new kafka.Producer<null>({ ...config, "transactional.id": topic, dr_cb: true })
    const written = yield* Deferred.make<void, unknown>()
    producer.on("delivery-report", (error) =>
      Deferred.doneUnsafe(written, error === null ? Exit.void : Exit.fail(error))
    )
    yield* Effect.acquireRelease(
      ask((answer) => producer.connect({ timeout: 5_000 }, answer)),
      () =>
        ask<void>((answer) => producer.abortTransaction(10_000, answer)).pipe(
          Effect.ignore,
          Effect.andThen(Effect.ignore(ask((answer) => producer.disconnect(1, answer))))
        )
    )
    producer.setPollInBackground(true)
    yield* ask<void>((answer) => producer.initTransactions(30_000, answer))
    yield* ask<void>((answer) => producer.beginTransaction(answer))
    producer.produce(topic, null, value, null, 0, null)
    yield* Deferred.await(written)
  }).pipe(Effect.provide(Cluster.layer))

export const addPartitions = (name: string, total: number) =>
  Effect.flatMap(Cluster, (cluster) =>
    cluster.admin<void>(name, (admin, answer) => admin.createPartitions(name, total, 5_000, answer))
  ).pipe(Effect.provide(Cluster.layer))

/** Deletes the records before an offset, as the retention of the topic does. */
export const deletedBefore = (topic: string, offset: number, partition = 0) =>
  Effect.flatMap(Cluster, (cluster) =>
    cluster.admin<unknown>(topic, (admin, answer) =>
      admin.deleteRecords([{ topic, partition, offset }], { timeout: 5_000 }, answer)
    )
  ).pipe(Effect.provide(Cluster.layer))

const settings = (values: Readonly<Record<string, string>>) =>
  ConfigProvider.layerAdd(ConfigProvider.fromUnknown(values), { asPrimary: true })

/** A deleted topic stays visible for a while. */
export const create = (name: string, partitions: number, isCompacted = false) =>
  Effect.flatMap(TopicsService, (topics) =>
    topics
      .create({ name, partitions, replication: 1, isCompacted })
      .pipe(
        Effect.retry(Schedule.spaced("50 millis")),
        Effect.repeat({ until: ({ made }) => made, schedule: Schedule.spaced("50 millis") }),
        Effect.timeout("20 seconds")
      )
  ).pipe(Effect.provide(Topics.layer))

export const temporaryTopic = Effect.fnUntraced(function* (partitions = 1) {
  const name = `x-test-${randomUUID()}`
  yield* Effect.acquireRelease(create(name, partitions), () => Effect.ignore(remove(name)))
  return name
})

export const remove = (name: string) =>
  Effect.flatMap(Cluster, (cluster) =>
    cluster.admin<void>(name, (admin, answer) => admin.deleteTopic(name, 5_000, answer))
  ).pipe(Effect.provide(Cluster.layer))

export const logOn = (
  topic: string,
  values: Readonly<Record<string, string>> = {},
  streams: Layer.Layer<StreamsService, unknown> = Layer.fresh(MemoryStreams.layer)
) =>
  EventLog.layer(recognizing).pipe(
    Layer.provide(settings({ FLOE_TOPIC: topic, ...values })),
    // Not those of the broker, so that the log does not open the topics of other tests.
    Layer.provide(streams)
  )

/** The log on its own topic. */
export const temporaryLog = (partitions: number) =>
  Layer.unwrap(Effect.map(temporaryTopic(partitions), (topic) => logOn(topic)))

/** Streams of these definitions, in memory. */
export const streamsOf = (...applied: ReadonlyArray<AppliedStream>) =>
  Layer.effectDiscard(
    Effect.flatMap(StreamsService, ({ record }) => Effect.forEach(applied, record, { discard: true }))
  ).pipe(Layer.provideMerge(Layer.fresh(MemoryStreams.layer)))

/** A stream with topics of its own, and weather's topic; its name begins with `x_`. */
export const temporaryStream = Effect.fnUntraced(function* (partitions = 1) {
  const stream = `x_${randomUUID().replaceAll("-", "_")}`
  for (const topic of [stream, deadLettersOf(stream)]) {
    yield* Effect.acquireRelease(create(topic, topic === stream ? partitions : 1), () => Effect.ignore(remove(topic)))
  }
  return { stream, topic: yield* temporaryTopic() }
})
