/** The streams of Kafka's log, in a compacted topic with a record for each version. Who writes it holds the lock of `apply`. */
import { Effect, Layer } from "effect"
import { LogUnavailable } from "../../../services/EventLog.ts"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { replication } from "../../../services/Settings.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { NoSuchStream, type RunningRebuild, Streams } from "../../../services/Streams.ts"
import { streamsTopic } from "../../../services/Topics.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { nearest } from "../../runtime/nearest.ts"
import { Cluster } from "./Cluster.ts"
import { codes, type KafkaFailure, unavailable } from "./failures.ts"
import * as Producer from "./Producer.ts"
import * as StreamsFollower from "./StreamsFollower.ts"
import { sendOne } from "./sendOne.ts"
import {
  begunValueOf,
  generationsKey,
  generationsValue,
  pausedKey,
  pendingKey,
  processorKey,
  processorValue,
  rebuildKey,
  rebuildValue,
  type StreamHistories,
  valueOf,
  versionKey
} from "./streamRecords.ts"

/** Milliseconds; a broker that has just started takes a second or two to create a topic. */
const createTimeout = 10_000

const { name: weather } = weatherStream.definition

const make = Effect.fnUntraced(function* (topic: string) {
  const cluster = yield* Cluster
  const copies = yield* replication
  const follower = yield* StreamsFollower.make(topic)

  const whole = (read: Effect.Effect<StreamHistories, KafkaFailure>) =>
    Effect.flatMap(Effect.mapError(read, unavailable("streams")), (streams) =>
      streams.corrupt === undefined ? Effect.succeed(streams) : Effect.fail(streams.corrupt)
    )
  const known = whole(follower.known)

  const create = Effect.gen(function* () {
    if ((yield* follower.find) !== undefined) return
    const config = { "cleanup.policy": "compact" }
    const wanted = { topic, num_partitions: 1, replication_factor: copies, config }
    yield* cluster
      .admin<void>(topic, (admin, answer) => admin.createTopic(wanted, createTimeout, answer))
      .pipe(
        Effect.catchIf(
          ({ code }) => code === codes.topicExists,
          () => Effect.void
        )
      )
  })

  /** What is known of the streams now, if this is the next version of its stream. */
  const assertNext = Effect.fnUntraced(function* ({ definition: { name }, version }: AppliedStream) {
    const streams = yield* whole(follower.upToDate)
    const last = streams.histories.get(name)?.at(-1)?.version ?? 0
    if (version === last + 1) return streams
    const reason = `version ${version} of the stream ${name} cannot follow version ${last}: another program has changed it; try again`
    return yield* LogUnavailable.because("streams", reason)
  })

  /** What is known of the streams now, if this rebuild is the one that runs. */
  const assertRebuild = Effect.fnUntraced(function* (rebuild: RunningRebuild | undefined) {
    const streams = yield* whole(follower.upToDate)
    const now = streams.rebuild
    if (now?.generation === rebuild?.generation && now?.phase === rebuild?.phase) return streams
    return yield* LogUnavailable.because("streams", "another program has begun or ended the rebuild; try again")
  })

  const write = (messages: ReadonlyArray<readonly [string, Buffer | null]>) =>
    Effect.gen(function* () {
      const producer = yield* Producer.connect(topic, () => {})
      for (const [key, value] of messages) yield* sendOne(topic, producer, { key, value })
      yield* follower.upToDate
    }).pipe(
      Effect.scoped,
      Effect.provideService(Cluster, cluster),
      Effect.mapError(unavailable("streams")),
      Effect.asVoid
    )

  const all = Effect.map(known, ({ histories }) => [
    weatherStream,
    ...[...histories.values()].flatMap((history) => history.at(-1) ?? [])
  ])

  return Streams.of({
    all,
    find: Effect.fn("Streams.find")(function* (name: string) {
      if (name === weather) return weatherStream
      const streams = yield* all
      const found = streams.find(({ definition }) => definition.name === name)
      if (found !== undefined) return found
      const names = streams.map(({ definition }) => definition.name)
      return yield* new NoSuchStream({ name, nearest: nearest(name, names) ?? null })
    }),
    history: Effect.fn("Streams.history")((name: string) =>
      name === weather
        ? Effect.succeed([weatherStream])
        : Effect.map(known, ({ histories }) => histories.get(name) ?? [])
    ),
    pending: Effect.map(known, ({ pending }) => pending),
    begin: Effect.fn("Streams.begin")(function* (stream: AppliedStream, isHeld = false) {
      yield* Effect.mapError(create, unavailable("streams"))
      yield* assertNext(stream)
      yield* write([[pendingKey(stream.definition.name), begunValueOf(stream, isHeld)]])
    }),
    processors: Effect.map(known, ({ processors }) => processors),
    recordProcessor: Effect.fn("Streams.recordProcessor")(function* (processor: ProcessorDefinition) {
      yield* Effect.mapError(create, unavailable("streams"))
      yield* write([[processorKey(processor), processorValue(processor)]])
    }),
    paused: Effect.map(known, ({ paused }) => paused),
    setPaused: Effect.fn("Streams.setPaused")(function* (processor: string, isPaused: boolean) {
      yield* Effect.mapError(create, unavailable("streams"))
      yield* write([[pausedKey(processor), isPaused ? Buffer.from("{}") : null]])
    }),
    generations: Effect.map(known, ({ generations }) => generations),
    setGeneration: Effect.fn("Streams.setGeneration")(function* (rebuild: RunningRebuild) {
      const { generations } = yield* assertRebuild(rebuild)
      const { definitions, generation } = rebuild
      const now = new Map([...generations, ...definitions.map(({ name }) => [name, generation] as const)])
      yield* write([[generationsKey, generationsValue(now)]])
    }),
    rebuild: Effect.map(known, ({ rebuild }) => rebuild),
    setRebuild: Effect.fn("Streams.setRebuild")(function* (
      rebuild: RunningRebuild | undefined,
      before: RunningRebuild | undefined
    ) {
      yield* Effect.mapError(create, unavailable("streams"))
      // A call that is repeated because its answer was lost has ended it already.
      if (rebuild === undefined && (yield* whole(follower.upToDate)).rebuild === undefined) return
      yield* assertRebuild(before)
      yield* write([[rebuildKey, rebuild === undefined ? null : rebuildValue(rebuild)]])
    }),
    withdraw: Effect.fn("Streams.withdraw")((name: string) => write([[pendingKey(name), null]])),
    record: Effect.fn("Streams.record")(function* (stream: AppliedStream) {
      yield* Effect.mapError(create, unavailable("streams"))
      const { pending } = yield* assertNext(stream)
      const { name } = stream.definition
      const isPending = pending.some(({ definition }) => definition.name === name)
      yield* write([[versionKey(stream), valueOf(stream)], ...(isPending ? [[pendingKey(name), null] as const] : [])])
    })
  })
})

/** The streams in a topic of another name, for tests. */
export const layerOf = (topic: string) => Layer.effect(Streams, make(topic)).pipe(Layer.provide(Cluster.layer))

export const layer = layerOf(streamsTopic)
