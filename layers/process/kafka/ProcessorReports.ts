/** What the processors on Kafka do, by the topics of their state. */
import { Clock, Effect, Layer } from "effect"
import { EventLogReader, LogUnavailable, type PartitionBounds } from "../../../services/EventLog.ts"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { byKeyTopicOf, deadLettersOf, stateTopicOf } from "../../../services/Topics.ts"
import { readsByKey } from "../../declaration/keyRule.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import { unavailable } from "../../log/kafka/failures.ts"
import * as LastEvents from "../../log/kafka/lastEvents.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import { noSuch, type ProcessorReport, ProcessorReports } from "../ProcessorReports.ts"
import { stateSummary } from "./stateSummary.ts"

/** A copy that works writes a heartbeat every second. */
const silenceMillis = 5_000
const concurrency = 4

const offsetsIn = (partitions: ReadonlyArray<PartitionBounds>) =>
  partitions.reduce((sum, { end, start }) => sum + end - start, 0)

const make = Effect.fnUntraced(function* (countsOpen: boolean) {
  const cluster = yield* Cluster
  const streams = yield* Streams
  const logs = yield* EventLogReader

  const boundsOf = Effect.fnUntraced(function* (topic: string) {
    const described = yield* cluster.find(topic)
    return described === undefined ? [] : yield* cluster.bounds(topic, described.partitions.length, "read_committed")
  })

  /** How many partitions have had a sign of life, and whether all of them. Clocks of the machines must agree to seconds. */
  const stateOf = Effect.fnUntraced(function* (topic: string, partitions: number) {
    const since = (yield* Clock.currentTimeMillis) - silenceMillis
    const recent = yield* cluster.offsets(topic, partitions, since)
    const alive = recent.filter((offset) => offset >= 0).length
    if (alive === partitions) return { state: "running" as const, reason: null }
    if (alive === 0) return { state: "not running" as const, reason: null }
    const reason = `${partitions - alive} of its ${partitions} partitions have had no heartbeat for ${silenceMillis / 1_000} seconds.`
    return { state: "waiting" as const, reason }
  })

  /** How far the topic by key of a processor is written, and whether that goes on. */
  const rekeyedOf = Effect.fnUntraced(function* (byKeyTopic: string) {
    const topic = stateTopicOf(byKeyTopic)
    const [one] = yield* boundsOf(topic)
    if (one === undefined) return undefined
    const { rekeyed, stopped } = yield* stateSummary(yield* Consumer.make(topic, "read_committed"), one, false)
    return { next: rekeyed?.next, stopped, ...(yield* stateOf(topic, 1)) }
  })

  const copiedTo = Effect.fnUntraced(function* (byKeyTopic: string) {
    return (yield* cluster.find(byKeyTopic)) === undefined ? [] : yield* LastEvents.boundsOf(byKeyTopic)
  })

  const reportOf = Effect.fnUntraced(
    function* (definition: ProcessorDefinition) {
      const { from, late, name, to } = definition
      const { ofProcessor, ofStream } = yield* topicNames
      const own = ofProcessor(name)
      const topic = stateTopicOf(own)
      const byKey = byKeyTopicOf(own)
      const [states, input] = yield* Effect.all([boundsOf(topic), LastEvents.boundsOf(ofStream(from))], {
        concurrency: 2
      })
      const isByKey = readsByKey(definition, input.length)
      const first = isByKey ? yield* rekeyedOf(byKey) : undefined
      const read = isByKey ? yield* copiedTo(byKey) : input
      const consumers = yield* Consumer.make(topic, "read_committed")
      const summaries = yield* Effect.forEach(states, (one) => stateSummary(consumers, one, countsOpen), {
        concurrency
      })
      const next = read.map(({ partition, start }) => summaries[partition]?.progress?.next ?? start)
      const copied = input.map(({ partition, start }) => first?.next?.[partition] ?? start)
      const ahead = (partitions: ReadonlyArray<PartitionBounds>, from: ReadonlyArray<number>) =>
        partitions.reduce((sum, { end, partition }) => sum + Math.max(0, end - (from[partition] ?? 0)), 0)
      const watermarks = summaries.flatMap(({ progress }) => progress?.watermark ?? [])
      const written = (stream: string) => Effect.map(logs.of(stream).bounds, ({ partitions }) => offsetsIn(partitions))
      const stopped = first?.stopped ?? summaries.find((one) => one.stopped !== undefined)?.stopped
      const isPaused = (yield* streams.paused).has(name)
      const { reason, state } = isPaused
        ? { state: "paused" as const, reason: null }
        : states.length === 0
          ? { state: "waiting" as const, reason: `There is no topic ${topic}; floe streams apply creates it.` }
          : stopped !== undefined
            ? { state: "stopped" as const, reason: stopped }
            : first?.state === "not running"
              ? { state: first.state, reason: null }
              : yield* stateOf(topic, states.length)
      return {
        definition,
        state,
        reason,
        next: (isByKey ? copied : next).reduce((sum, offset) => sum + offset, 0),
        end: input.reduce((sum, { end }) => sum + end, 0),
        lag: ahead(read, next) + (isByKey ? ahead(input, copied) : 0),
        // Each partition has its own; the windows of the slowest one are open for longest.
        watermark: watermarks.length === 0 ? null : Math.min(...watermarks),
        open: summaries.some(({ open }) => open === null)
          ? null
          : summaries.reduce((sum, one) => sum + (one.open ?? 0), 0),
        rows: yield* written(to),
        late: late === null ? 0 : yield* written(late),
        deadLetters: offsetsIn(yield* boundsOf(deadLettersOf(ofStream(to)))),
        isAtMost: true,
        rate: state === "running" ? summaries.reduce((sum, { rate = 0 }) => sum + rate, 0) : null
      } satisfies ProcessorReport
    },
    Effect.scoped,
    Effect.mapError((error) => (error._tag === "KafkaFailure" ? unavailable("processors")(error) : error))
  )

  const report = (one: ProcessorDefinition) =>
    reportOf(one).pipe(Effect.provideService(Cluster, cluster), Effect.provideService(Streams, streams))
  return ProcessorReports.of({
    all: Effect.flatMap(streams.processors, (processors) => Effect.forEach(processors, report, { concurrency })),
    find: Effect.fn("ProcessorReports.find")(function* (name) {
      const processors = yield* streams.processors
      const found = processors.find((one) => one.name === name)
      const names = processors.map((one) => one.name)
      return yield* found === undefined ? noSuch(name, names) : report(found)
    })
  })
})

/** `countsOpen`: whether open windows are counted, for which the topics of states are read as a whole. */
export const layer = ({ countsOpen }: { readonly countsOpen: boolean }) =>
  Layer.effect(ProcessorReports, make(countsOpen)).pipe(
    Layer.provide(Cluster.layer),
    Layer.catchTag("KafkaClientMissing", (cause) => {
      const missing = Effect.fail(LogUnavailable.because("processors", cause.message.replace(/\.$/, ""), cause))
      return Layer.succeed(ProcessorReports, ProcessorReports.of({ all: missing, find: () => missing }))
    })
  )
