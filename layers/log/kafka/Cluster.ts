/** The native admin client: topics, partitions and offsets. */
import type {
  AdminClient,
  ClientConfig,
  Kafka,
  KafkaError,
  OffsetSpec,
  PartitionOffset,
  TopicDescription
} from "@confluentinc/kafka-javascript"
import { type Config, Context, Duration, Effect, Layer } from "effect"
import type { PartitionBounds } from "../../../services/EventLog.ts"
import { kafkaBrokers, kafkaSecurity, kafkaTimeout, topic as topicSetting } from "../../../services/Settings.ts"
import { controlTopic, deadLettersOf, largestRecord } from "../../../services/Topics.ts"
import { ask, type KafkaClientMissing, load } from "./client.ts"
import {
  because,
  codes,
  failureOf,
  isMissing,
  KafkaFailure,
  missingStreamTopic,
  missingTopic,
  type Reason,
  reasonOfLine,
  startingBroker
} from "./failures.ts"
import { explained } from "./listener.ts"
import { checked, configOf, isReadable, type KafkaSettingsWrong, notTaken } from "./Security.ts"

/** A healthy broker answers in a few milliseconds. */
const requestTimeoutMillis = 1_500

const isolations = { read_uncommitted: 0, read_committed: 1 }
/** With `read_committed` a partition ends before the first open transaction of another program. */
export type Isolation = keyof typeof isolations

export interface Described {
  /** The topic id, as Kafka's tools show it; a recreated topic has another. */
  readonly id: string
  /** In the order of their numbers: 0, 1, 2, … */
  readonly partitions: ReadonlyArray<{ readonly replicas: number }>
}

export class Cluster extends Context.Service<
  Cluster,
  {
    readonly kafka: Kafka
    readonly brokers: string
    /** Milliseconds that an append may take. */
    readonly timeout: number
    /** Settings that all clients share. */
    readonly config: ClientConfig
    readonly failure: (cause: unknown, topic: string, seen?: Reason) => KafkaFailure
    /** Undefined if the topic does not exist. */
    readonly find: (topic: string) => Effect.Effect<Described | undefined, KafkaFailure>
    /** Like `find`, but fails if the topic is missing or has no leader. */
    readonly describe: (topic: string) => Effect.Effect<Described, KafkaFailure>
    /** One offset per partition: the start, the end, or the first offset at or after a time (ms since 1970). */
    readonly offsets: (
      topic: string,
      partitions: number,
      at: "start" | "end" | number,
      isolation?: Isolation
    ) => Effect.Effect<ReadonlyArray<number>, KafkaFailure>
    readonly bounds: (
      topic: string,
      partitions: number,
      isolation?: Isolation
    ) => Effect.Effect<ReadonlyArray<PartitionBounds>, KafkaFailure>
    readonly admin: <A>(
      topic: string,
      call: (admin: AdminClient, answer: (error: KafkaError | null | undefined, value: A) => void) => void
    ) => Effect.Effect<A, KafkaFailure>
  }
>()("floe/layers/log/kafka/Cluster") {
  static readonly layer: Layer.Layer<Cluster, KafkaClientMissing | KafkaSettingsWrong | Config.ConfigError> =
    Layer.suspend(() => Layer.effect(Cluster, make))
}

const make = Effect.gen(function* () {
  const brokers = yield* kafkaBrokers
  const timeout = Math.round(Duration.toMillis(yield* kafkaTimeout))
  const weatherTopic = yield* topicSetting
  const security = yield* Effect.fromResult(checked(yield* kafkaSecurity, isReadable))
  const kafka = yield* load
  const config: ClientConfig = {
    ...configOf(brokers, security),
    "client.id": "floe",
    // Closes a silent connection, so that the next broker is tried.
    "socket.timeout.ms": timeout,
    "reconnect.backoff.max.ms": 1_000,
    // The topic's limit counts; the client has one of its own, 1 MB.
    "message.max.bytes": largestRecord,
    // The default is 5 minutes, for which a topic that a starting broker did not know yet would stay unknown.
    "topic.metadata.refresh.interval.ms": 5_000
  }

  let seen: Reason | undefined
  const client = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        kafka.AdminClient.create(config, {
          "event.log": ({ message }) => {
            seen = reasonOfLine(message) ?? seen
          }
        }),
      catch: notTaken
    }),
    (client) => Effect.sync(() => client.disconnect())
  )

  const explain = explained(brokers, security)
  const isOfStream = (name: string) =>
    name !== "" && name !== weatherTopic && name !== deadLettersOf(weatherTopic) && !name.startsWith(controlTopic)
  const failure = (cause: unknown, topic: string, reason = seen) => {
    const failed = failureOf(cause, brokers, topic, reason)
    if (!isMissing(failed.code) || !isOfStream(topic)) return failed
    return new KafkaFailure({ reason: because(missingStreamTopic(topic)), code: codes.topicMissing, cause })
  }
  const admin: Cluster["Service"]["admin"] = (topic, call) =>
    ask((answer: Parameters<typeof call>[1]) => call(client, answer)).pipe(
      Effect.tap(() => Effect.sync(() => (seen = undefined))),
      Effect.catch((cause) => Effect.flatMap(explain(failure(cause, topic)), Effect.fail))
    )

  const find: Cluster["Service"]["find"] = Effect.fnUntraced(function* (topic) {
    const [description] = yield* admin<ReadonlyArray<TopicDescription>>(topic, (client, answer) =>
      client.describeTopics([topic], { timeout: requestTimeoutMillis }, answer)
    )
    if (description === undefined || description.error?.code === codes.topicMissing) return undefined
    if (description.error !== undefined && description.error.code !== 0) {
      return yield* failure(description.error, topic)
    }
    const partitions = [...description.partitions].sort((a, b) => a.partition - b.partition)
    const leaderless = partitions.find(({ leader }) => leader === undefined || leader.id < 0)
    if (leaderless !== undefined) {
      const reason = `partition ${leaderless.partition} of the topic ${topic} has no leader; wait, or check its brokers`
      return yield* new KafkaFailure({ reason: because(reason), cause: leaderless })
    }
    return {
      id: description.topicId?.base64.replaceAll("+", "-").replaceAll("/", "_") ?? topic,
      partitions: partitions.map(({ replicas }) => ({ replicas: replicas.length }))
    }
  })

  const describe: Cluster["Service"]["describe"] = Effect.fnUntraced(function* (topic) {
    const described = yield* find(topic)
    if (described !== undefined) return described
    const all = yield* admin<ReadonlyArray<string>>("", (client, answer) =>
      client.listTopics({ timeout: requestTimeoutMillis }, answer)
    )
    // Only a broker that is still starting lists no topics at all, not even Kafka's internal ones.
    if (all.length === 0) return yield* new KafkaFailure({ reason: because(startingBroker), cause: all })
    return yield* failure({ code: codes.topicMissing, message: missingTopic(topic) }, topic)
  })

  const specOf = (at: "start" | "end" | number): OffsetSpec =>
    at === "start"
      ? kafka.OffsetSpec.EARLIEST
      : at === "end"
        ? kafka.OffsetSpec.LATEST
        : new kafka.OffsetSpec(Math.max(0, at))

  const offsets: Cluster["Service"]["offsets"] = Effect.fnUntraced(function* (
    topic,
    partitions,
    at,
    isolation = "read_uncommitted"
  ) {
    const offset = specOf(at)
    const wanted = Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset }))
    const isolationLevel = isolations[isolation]
    const ask = admin<ReadonlyArray<PartitionOffset>>(topic, (client, answer) =>
      client.listOffsets(wanted, { timeout: requestTimeoutMillis, isolationLevel }, answer)
    )
    // A client that has seen the topic missing does not look again by itself; describing it does.
    const results = yield* Effect.catchIf(
      ask,
      ({ code }) => code === codes.noSuchEntry,
      () => Effect.andThen(find(topic), ask)
    )
    const wrong = results.find(({ error }) => error !== undefined && error.code !== 0)
    if (wrong !== undefined) return yield* failure(wrong.error, topic)
    const offsetOf = new Map(results.map(({ partition, offset }) => [partition, offset]))
    return wanted.map(({ partition }) => offsetOf.get(partition) ?? 0)
  })

  const bounds: Cluster["Service"]["bounds"] = Effect.fnUntraced(function* (topic, partitions, isolation) {
    const [starts, ends] = yield* Effect.all(
      [offsets(topic, partitions, "start"), offsets(topic, partitions, "end", isolation)],
      { concurrency: 2 }
    )
    return starts.map((start, partition) => ({ partition, start, end: ends[partition] ?? start }))
  })

  return Cluster.of({ kafka, brokers, timeout, config, failure, find, describe, offsets, bounds, admin })
})
