import { Effect, Layer, Option } from "effect"
import { TopicRejected, Topics, TopicsUnavailable, type WantedTopic } from "../../../services/Topics.ts"
import { Admin } from "./Admin.ts"
import { Cluster } from "./Cluster.ts"
import { ask } from "./client.ts"
import { codes, isAway, type KafkaFailure } from "./failures.ts"
import * as Retention from "./retention.ts"
import { configOf, differencesOf } from "./topicDifferences.ts"

/** Milliseconds; a broker that has just started takes a second or two to create a topic. */
const createTimeout = 10_000
const requestTimeout = 2_000

const unavailable = (operation: string) => (cause: KafkaFailure) =>
  new TopicsUnavailable({ operation, reason: cause.reason.message, cause })

const make = Effect.gen(function* () {
  const cluster = yield* Cluster
  const admin = yield* Admin
  const retentionOf = yield* Retention.make

  const create = Effect.fn("Topics.create")(function* (wanted: WantedTopic) {
    const { name, partitions, replication } = wanted
    const failed = (failure: KafkaFailure) =>
      failure.code === undefined || isAway(failure)
        ? unavailable("create")(failure)
        : new TopicRejected({ name, reason: failure.reason.message, cause: failure })
    const existing = yield* Effect.mapError(cluster.find(name), failed)
    if (existing !== undefined) {
      const starts = yield* Effect.mapError(cluster.offsets(name, existing.partitions.length, "start"), failed)
      const retention = yield* Effect.mapError(retentionOf(name), failed)
      return { name, made: false, differences: differencesOf(wanted, existing, starts, retention, cluster.brokers) }
    }
    const topic = {
      topic: name,
      num_partitions: partitions,
      replication_factor: replication,
      config: configOf(wanted)
    }
    const made = yield* cluster
      .admin<void>(name, (admin, answer) => admin.createTopic(topic, createTimeout, answer))
      .pipe(
        Effect.as(true),
        Effect.catchIf(
          ({ code }) => code === codes.topicExists,
          () => Effect.succeed(false)
        ),
        Effect.mapError(failed)
      )
    return { name, made, differences: [] }
  })

  const begin = Effect.fn("Topics.begin")(
    function* (group: string, topic: string) {
      const count = (yield* cluster.describe(topic)).partitions.length
      const starts = yield* cluster.offsets(topic, count, "start")
      const config = { ...cluster.config, "group.id": group, "enable.auto.commit": false }
      const failed = Effect.mapError((cause: unknown) => cluster.failure(cause, topic))
      const reader = yield* Effect.acquireRelease(
        Effect.sync(() => new cluster.kafka.KafkaConsumer(config)),
        (reader) => Effect.ignore(ask((answer) => reader.disconnect(answer)))
      )
      yield* ask((answer) => reader.connect({ timeout: requestTimeout }, answer)).pipe(failed)
      const wanted = starts.map((offset, partition) => ({ topic, partition, offset }))
      const committed = yield* ask<ReadonlyArray<{ partition: number; offset?: number }>>((answer) =>
        reader.committed(wanted, requestTimeout, answer)
      ).pipe(failed)
      const known = new Set(committed.flatMap(({ partition, offset }) => (offset === undefined ? [] : [partition])))
      const missing = wanted.filter(({ partition }) => !known.has(partition))
      if (missing.length === 0) return false
      return yield* Effect.try({ try: () => reader.commitSync(missing), catch: (cause) => cause }).pipe(
        Effect.as(true),
        failed,
        Effect.catchIf(
          ({ code }) => code === codes.unknownMember,
          () => Effect.succeed(false)
        )
      )
    },
    Effect.scoped,
    Effect.mapError(unavailable("begin"))
  )

  const describe = Effect.fn("Topics.describe")(
    function* (name: string) {
      const topic = yield* cluster.find(name)
      if (topic === undefined) return Option.none()
      const bounds = yield* cluster.bounds(name, topic.partitions.length)
      const partitions = bounds.map((one) => ({ ...one, replicas: topic.partitions[one.partition]?.replicas ?? 0 }))
      return Option.some({ name, id: topic.id, partitions })
    },
    Effect.mapError(unavailable("describe"))
  )

  const list = cluster
    .admin<ReadonlyArray<string>>("", (admin, answer) => admin.listTopics({ timeout: requestTimeout }, answer))
    .pipe(
      Effect.map((names) => names.filter((name) => !name.startsWith("__")).sort()),
      Effect.mapError(unavailable("list")),
      Effect.withSpan("Topics.list")
    )

  const retention = Effect.fn("Topics.retention")(
    function* (name: string) {
      // The admin client would retry several times for a missing topic.
      if ((yield* cluster.find(name)) === undefined) return Option.none()
      return Option.fromUndefinedOr(yield* retentionOf(name))
    },
    Effect.mapError(unavailable("retention"))
  )

  const remove = Effect.fn("Topics.remove")(
    (name: string) => cluster.admin<void>(name, (admin, answer) => admin.deleteTopic(name, createTimeout, answer)),
    Effect.catchIf(
      ({ code }) => code === codes.topicMissing,
      () => Effect.void
    ),
    Effect.mapError(unavailable("remove"))
  )

  /** A broker that does not know reports -1 or nothing. */
  const bytesOf = (bytes: bigint | undefined) => (bytes === undefined || bytes < 0n ? null : Number(bytes))

  const disks = admin
    .ask("", (client) => client.describeLogDirs({ topics: [] }))
    .pipe(
      Effect.map((brokers) =>
        brokers.flatMap(({ broker, results }) =>
          results.map(({ logDir, totalBytes, usableBytes }) => ({
            broker,
            folder: logDir,
            totalBytes: bytesOf(totalBytes),
            freeBytes: bytesOf(usableBytes)
          }))
        )
      ),
      Effect.mapError(unavailable("disks")),
      Effect.withSpan("Topics.disks")
    )

  return Topics.of({ create, begin, describe, retention, remove, disks, list })
})

export const layer = Layer.effect(Topics, make).pipe(Layer.provide([Cluster.layer, Admin.layer]))
