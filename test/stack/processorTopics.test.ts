/** What a processor has on Kafka, and what readers make of topics that are written in transactions; a broker is all it needs. */
import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option, Schedule, Stream } from "effect"
import { recognizing } from "../../layers/ingest/checker/LoggedEvents.ts"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as EventLogReaderLayer from "../../layers/log/kafka/EventLogReader.ts"
import * as StreamsLayer from "../../layers/log/kafka/Streams.ts"
import * as TopicsLayer from "../../layers/log/kafka/Topics.ts"
import * as ProcessorReportsLayer from "../../layers/process/kafka/ProcessorReports.ts"
import * as TransactionalProducer from "../../layers/process/kafka/TransactionalProducer.ts"
import { ProcessorReports } from "../../layers/process/ProcessorReports.ts"
import * as ProcessorEvolutionLayer from "../../layers/sink/connect/ProcessorEvolution.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { ProcessorEvolution } from "../../services/ProcessorEvolution.ts"
import { Streams } from "../../services/Streams.ts"
import { byKeyTopicOf, stateTopicOf, Topics } from "../../services/Topics.ts"
import { clicksFrom, expectedOf, kafkaProject } from "./kafkaProcessors.ts"
import { kill } from "./kafkaProject.ts"
import { create, openTransaction, remove, temporaryStream, temporaryTopic } from "./kafkaTopic.ts"

const definitionOf = (name: string, from: string, to: string): ProcessorDefinition => ({
  name,
  kind: "window",
  from,
  rekeyed: false,
  to,
  late: `${name}_late`,
  window: { type: "tumbling", size: 60_000 },
  outOfOrder: 5_000,
  lateness: 0,
  ahead: 86_400_000,
  state: [{ name: "ids", type: "string", required: true }],
  onError: "stop"
})

const polling = Schedule.spaced("100 millis")

describe("a processor on Kafka", () => {
  it.live("gets a compacted topic with the partitions of its input, and its definition in the log", () =>
    Effect.gen(function* () {
      const id = `kdeploy_${randomUUID().slice(0, 8)}`
      const [streams, input] = [`${id}-streams`, `${id}_in`]
      const means = definitionOf(id, input, `${id}_out`)
      const evolution = ProcessorEvolutionLayer.layer.pipe(
        Layer.provideMerge([StreamsLayer.layerOf(streams), TopicsLayer.layer]),
        Layer.fresh
      )
      yield* Effect.addFinalizer(() => Effect.forEach([streams, stateTopicOf(id)], (one) => Effect.ignore(remove(one))))
      yield* Effect.gen(function* () {
        const { bringTo, inspect } = yield* ProcessorEvolution
        const topics = yield* Topics
        const early = yield* Effect.flip(bringTo(means, () => Effect.void))
        assert.isTrue(early.isTemporary)
        assert.include(early.message, `reads the topic ${input}, which does not exist`)
        yield* Effect.acquireRelease(create(input, 3), () => Effect.ignore(remove(input)))
        const before = yield* Effect.retry(inspect(means), { schedule: polling, times: 50 })
        assert.deepInclude(before, { applied: undefined, inputPartitions: 3, statePartitions: undefined })
        for (const processor of [means, means, { ...means, onError: "dead-letter" as const }]) {
          yield* bringTo(processor, () => Effect.void)
          // For a moment, not every broker knows a new topic.
          const known = yield* inspect(processor).pipe(
            Effect.retry({ schedule: polling, times: 50 }),
            Effect.repeat({ until: (found) => found?.statePartitions !== undefined, schedule: polling, times: 50 })
          )
          assert.deepStrictEqual(known, {
            applied: processor,
            topics: processor.name,
            inputPartitions: 3,
            statePartitions: 3,
            byKey: undefined,
            hasBegun: false,
            hasWritten: false
          })
        }
        const retention = Option.getOrUndefined(yield* topics.retention(stateTopicOf(id)))
        assert.deepStrictEqual(retention, { millis: null, bytes: null, cleanup: "compact" })
        const { differences } = yield* topics.create({
          name: stateTopicOf(id),
          partitions: 3,
          replication: 1,
          isCompacted: true
        })
        assert.deepStrictEqual(differences, [])

        const own = { ...means, name: `${id}_own`, ownKey: true as const }
        yield* Effect.addFinalizer(() =>
          Effect.forEach(
            [byKeyTopicOf(own.name), stateTopicOf(byKeyTopicOf(own.name)), stateTopicOf(own.name)],
            (one) => Effect.ignore(remove(one))
          )
        )
        const none = { partitions: undefined, hasRecords: false, hasState: false }
        assert.deepStrictEqual((yield* inspect(own))?.byKey, none)
        yield* bringTo(own, () => Effect.void)
        const known = yield* inspect(own).pipe(
          Effect.retry({ schedule: polling, times: 50 }),
          Effect.repeat({ until: (found) => found?.statePartitions !== undefined, schedule: polling, times: 50 })
        )
        assert.deepStrictEqual(known?.byKey, { partitions: 3, hasRecords: false, hasState: true })
        const [log, place] = yield* Effect.all([
          topics.retention(byKeyTopicOf(own.name)),
          topics.retention(stateTopicOf(byKeyTopicOf(own.name)))
        ])
        assert.deepStrictEqual(Option.getOrUndefined(log), { millis: null, bytes: null, cleanup: "delete" })
        assert.deepStrictEqual(Option.getOrUndefined(place), { millis: null, bytes: null, cleanup: "compact" })
      }).pipe(Effect.provide(evolution))
    })
  )

  it.live(
    "is reported by its topics, and its output ends after its last row",
    () =>
      Effect.gen(function* () {
        const project = yield* kafkaProject()
        const { name } = project
        const all = clicksFrom(0, 2_000)
        const expected = expectedOf(all)
        const [only, minute] = [
          { ...definitionOf(`${name}_only`, `${name}_clicks`, `${name}_sales`), late: null },
          definitionOf(`${name}_minute`, `${name}_sales`, `${name}_minutes`)
        ]
        yield* project.append(all)
        const program = yield* project.start
        yield* project.outputs.pipe(
          Effect.repeat({
            until: ({ late, rows }) => rows.length >= expected.rows.length && late.length >= expected.late.length,
            schedule: polling
          })
        )
        yield* Effect.gen(function* () {
          const { bounds, read } = (yield* EventLogReader).of(`${name}_minutes`)
          const { partitions } = yield* bounds
          const events = yield* Stream.runCollect(read({ partition: 0, offset: 0 }, { until: "end" }))
          assert.deepStrictEqual(
            events.map(({ record }) => record),
            expected.rows
          )
          const raw = yield* (yield* Cluster).bounds(`${name}_minutes`, 1, "read_committed")
          assert.strictEqual(partitions[0]?.end, (events.at(-1)?.position.offset ?? 0) + 1)
          assert.isAbove(raw[0]?.end ?? 0, partitions[0]?.end ?? 0)
          // A place after the marker is no place beyond the log.
          const rest = read({ partition: 0, offset: raw[0]?.end ?? 0 }, { until: "end" })
          assert.deepStrictEqual(yield* Stream.runCollect(rest), [])

          const reports = yield* ProcessorReports
          const report = yield* reports.find(minute.name)
          assert.deepInclude(report, { state: "running", reason: null, lag: 0 })
          assert.isAtLeast(report.rows, expected.rows.length)
          assert.isAtLeast(report.late, expected.late.length)
          assert.isAbove(report.open ?? 0, 0)

          const { setPaused } = yield* Streams
          yield* setPaused(minute.name, true)
          yield* Effect.promise(() => program.printed(new RegExp(`${minute.name}, partition 0, is paused`)))
          const before = yield* project.outputs
          const more = clicksFrom(2_000, 1_000)
          yield* project.append(more)
          const paused = yield* reports
            .find(minute.name)
            .pipe(Effect.repeat({ until: ({ lag }) => lag > 0, schedule: polling }))
          assert.deepInclude(paused, { state: "paused", reason: null })
          assert.deepStrictEqual((yield* project.outputs).rows, before.rows)
          yield* setPaused(minute.name, false)
          const whole = expectedOf([...all, ...more])
          const after = yield* project.outputs.pipe(
            Effect.repeat({ until: ({ rows }) => rows.length >= whole.rows.length, schedule: polling })
          )
          assert.deepStrictEqual(after.rows, whole.rows)

          kill(program)
          const stopped = yield* reports
            .find(minute.name)
            .pipe(Effect.repeat({ until: ({ state }) => state !== "running", schedule: polling }))
          assert.deepInclude(stopped, { state: "not running", lag: 0 })
        }).pipe(Effect.provide(readers(only, minute)))
      }).pipe(Effect.provide(Cluster.layer)),
    { timeout: 120_000 }
  )

  it.live("has no lag by what follows the last event of a transaction, whichever program wrote it", () =>
    Effect.gen(function* () {
      const { stream, topic: weather } = yield* temporaryStream()
      const output = yield* temporaryTopic()
      const reading = (from: string) => ({ ...definitionOf(`${stream}_of_${from}`, from, output), late: null })
      const all = [reading(stream), reading("weather")] as const
      const producer = yield* TransactionalProducer.connect(`x-${stream}`, stream)
      for (const topic of [stream, weather]) {
        yield* producer.begin
        yield* producer.within(() => {
          for (const id of ["a", "b"]) producer.produce(topic, 0, Buffer.from(id), null, Date.now())
        })
        yield* producer.commit
      }
      yield* openTransaction(weather, Buffer.from("c"))
      const committed = yield* Effect.forEach([stream, weather], (topic) =>
        Effect.flatMap(Cluster, ({ bounds }) => bounds(topic, 1, "read_committed"))
      )
      assert.deepStrictEqual(committed, [[{ partition: 0, start: 0, end: 3 }], [{ partition: 0, start: 0, end: 3 }]])
      const settings = ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ FLOE_TOPIC: weather }), { asPrimary: true })
      yield* Effect.gen(function* () {
        const reports = yield* ProcessorReports
        for (const { name } of all) {
          assert.deepInclude(yield* reports.find(name), { next: 0, end: 2, lag: 2 })
        }
      }).pipe(Effect.provide(readers(...all).pipe(Layer.provide(settings))), Effect.provide(settings))
    }).pipe(Effect.provide(Cluster.layer))
  )
})

/** The definitions are not in the log of this project, so they are in memory. */
const readers = (...processors: ReadonlyArray<ProcessorDefinition>) => {
  const streams = Layer.effect(
    Streams,
    Effect.map(Streams, (real) => Streams.of({ ...real, processors: Effect.succeed(processors) }))
  ).pipe(Layer.provide(StreamsLayer.layer))
  return ProcessorReportsLayer.layer({ countsOpen: true }).pipe(
    Layer.provideMerge(EventLogReaderLayer.layer(recognizing)),
    Layer.provideMerge(streams),
    Layer.fresh
  )
}
