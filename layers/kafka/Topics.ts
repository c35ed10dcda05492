import { Effect, Layer, Option } from "effect"
import { TopicRefused, Topics, TopicsUnavailable, type WantedTopic } from "../../services/Topics.ts"
import { ask } from "./Client.ts"
import * as Cluster from "./Cluster.ts"
import { codes, isAway, type KafkaFailure } from "./failures.ts"

/** A broker that has just started makes a topic in a second or two. */
const making = 10_000
const asking = 2_000

/** The log is the truth: nothing in it may expire. */
const forEver = { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" }

const unavailable = (operation: string) => (cause: KafkaFailure) =>
  new TopicsUnavailable({ operation, reason: cause.reason, cause })

const several = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`

/** In what a topic that is there differs. */
export const differencesOf = (wanted: WantedTopic, found: Cluster.Described, starts: ReadonlyArray<number>) => {
  const { name, partitions, replication } = wanted
  const there = found.partitions.length
  const replicas = Math.min(...found.partitions.map((partition) => partition.replicas))
  const differences: Array<string> = []
  if (there < partitions) {
    differences.push(
      `The topic ${name} has ${several(there, "partition")}, not ${partitions}; kafka-topics --alter --topic ${name} --partitions ${partitions} adds them, after which keys go to other partitions.`
    )
  }
  if (there > partitions) {
    differences.push(
      `The topic ${name} has ${several(there, "partition")}, not ${partitions}; Kafka cannot take partitions away.`
    )
  }
  if (replicas !== replication) {
    differences.push(
      `The topic ${name} has ${several(replicas, "replica")}, not ${replication}; kafka-reassign-partitions changes that.`
    )
  }
  // The client cannot ask for a topic's configuration; this is what shows of it.
  const cut = starts.findIndex((start) => start > 0)
  if (cut >= 0) {
    differences.push(
      `The topic ${name} begins at offset ${starts[cut]} of partition ${cut}: what was before has expired or was deleted; kafka-configs --alter --topic ${name} --add-config retention.ms=-1,retention.bytes=-1 keeps the rest.`
    )
  }
  return differences
}

const make = Effect.gen(function* () {
  const cluster = yield* Cluster.Cluster

  const create = Effect.fn("Topics.create")(function* (wanted: WantedTopic) {
    const { name, partitions, replication } = wanted
    const failed = (failure: KafkaFailure) =>
      failure.code === undefined || isAway(failure)
        ? unavailable("create")(failure)
        : new TopicRefused({ name, reason: failure.reason, cause: failure })
    const found = yield* Effect.mapError(cluster.find(name), failed)
    if (found !== undefined) {
      const starts = yield* Effect.mapError(cluster.offsets(name, found.partitions.length, "start"), failed)
      return { name, made: false, differences: differencesOf(wanted, found, starts) }
    }
    const topic = { topic: name, num_partitions: partitions, replication_factor: replication, config: forEver }
    const made = yield* cluster
      .admin<void>(name, (admin, answer) => admin.createTopic(topic, making, answer))
      .pipe(
        Effect.as(true),
        // Another one made it meanwhile.
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
      yield* ask((answer) => reader.connect({ timeout: asking }, answer)).pipe(failed)
      const wanted = starts.map((offset, partition) => ({ topic, partition, offset }))
      const found = yield* ask<ReadonlyArray<{ partition: number; offset?: number }>>((answer) =>
        reader.committed(wanted, asking, answer)
      ).pipe(failed)
      const known = new Set(found.flatMap(({ partition, offset }) => (offset === undefined ? [] : [partition])))
      const missing = wanted.filter(({ partition }) => !known.has(partition))
      if (missing.length === 0) return false
      return yield* Effect.try({ try: () => reader.commitSync(missing), catch: (cause) => cause }).pipe(
        Effect.as(true),
        failed,
        // The group reads already, and has its offsets in hand.
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
      const found = yield* cluster.find(name)
      if (found === undefined) return Option.none()
      const count = found.partitions.length
      const starts = yield* cluster.offsets(name, count, "start")
      const ends = yield* cluster.offsets(name, count, "end")
      const partitions = found.partitions.map(({ replicas }, partition) => ({
        partition,
        replicas,
        start: starts[partition] ?? 0,
        end: ends[partition] ?? 0
      }))
      return Option.some({ name, id: found.id, partitions })
    },
    Effect.mapError(unavailable("describe"))
  )

  const list = cluster
    .admin<ReadonlyArray<string>>("", (admin, answer) => admin.listTopics({ timeout: asking }, answer))
    .pipe(
      Effect.map((names) => names.filter((name) => !name.startsWith("__")).sort()),
      Effect.mapError(unavailable("list")),
      Effect.withSpan("Topics.list")
    )

  return Topics.of({ create, begin, describe, list })
})

export const layer = Layer.effect(Topics, make).pipe(Layer.provide(Cluster.layer))
