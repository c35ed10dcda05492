/**
 * Records a processor's definition in the topic of streams, and then creates its topics, that of its state last, so that a
 * processor whose state has a topic is one that was applied. Its dead letters go to the topic that its output's connector has.
 */
import { Effect, Layer, Option, Schedule } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { ProcessorEvolution } from "../../../services/ProcessorEvolution.ts"
import * as Settings from "../../../services/Settings.ts"
import { Streams } from "../../../services/Streams.ts"
import { EvolutionFailed } from "../../../services/TableEvolution.ts"
import { byKeyTopicOf, largestRecord, stateTopicOf, type TopicDescription, Topics } from "../../../services/Topics.ts"
import { readsByKey } from "../../declaration/keyRule.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import { isSame } from "../../process/planProcessors.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { asFailure, failureOf } from "./evolutionFailure.ts"

/** For a moment, not every broker knows a new topic and its leader. */
const newTopic = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "5 seconds" }), monotonic)

const hasRecords = (topic: TopicDescription | undefined) =>
  topic?.partitions.some(({ end, start }) => end > start) ?? false

const make = Effect.gen(function* () {
  const streams = yield* Streams
  const topics = yield* Topics
  const partitions = yield* Settings.partitions
  const replication = yield* Settings.replication

  const describe = (name: string) => Effect.map(topics.describe(name), Option.getOrUndefined)
  const names = Effect.provideService(topicNames, Streams, streams)

  const byKeyOf = Effect.fnUntraced(function* (topic: string) {
    const [found, state] = yield* Effect.all([describe(topic), describe(stateTopicOf(topic))], { concurrency: 2 })
    return { partitions: found?.partitions.length, hasRecords: hasRecords(found), hasState: state !== undefined }
  })

  const inspect = Effect.fn("ProcessorEvolution.inspect")(function* (processor: ProcessorDefinition) {
    const { from, name, to } = processor
    const applied = (yield* streams.processors).find((one) => one.name === name)
    const { ofProcessor, ofStream } = yield* names
    const own = ofProcessor(name)
    const [input, state, output] = yield* Effect.all(
      [describe(ofStream(from)), describe(stateTopicOf(own)), describe(ofStream(to))],
      { concurrency: 3 }
    )
    const inputPartitions = input?.partitions.length ?? partitions
    return {
      applied,
      topics: own,
      inputPartitions,
      byKey: readsByKey(processor, inputPartitions) ? yield* byKeyOf(byKeyTopicOf(own)) : undefined,
      statePartitions: state?.partitions.length,
      hasBegun: hasRecords(state),
      hasWritten: hasRecords(output)
    }
  }, asFailure)

  const bringTo = Effect.fn("ProcessorEvolution.bringTo")(
    function* (processor: ProcessorDefinition, onProgress: (step: string) => Effect.Effect<void>) {
      const { from, name } = processor
      yield* onProgress(`${name}: creating its topics`)
      const { ofProcessor, ofStream } = yield* names
      const topic = ofStream(from)
      const own = ofProcessor(name)
      const input = yield* Effect.retry(describe(topic), newTopic)
      if (input === undefined) {
        return yield* new EvolutionFailed({
          reason: `The processor ${name} reads the topic ${topic}, which does not exist; floe topics create creates it`,
          // `floe setup` creates it meanwhile.
          isTemporary: true,
          cause: topic
        })
      }
      const applied = (yield* streams.processors).find((one) => one.name === name)
      if (applied === undefined || !isSame(applied, processor)) yield* streams.recordProcessor(processor)
      const count = input.partitions.length
      const create = (name: string, partitions: number, isCompacted: boolean) =>
        topics.create({ name, partitions, replication, isCompacted, maxRecord: largestRecord })
      if (readsByKey(processor, count)) {
        const byKey = byKeyTopicOf(own)
        yield* create(byKey, count, false)
        yield* create(stateTopicOf(byKey), 1, true)
      }
      yield* create(stateTopicOf(own), count, true)
    },
    Effect.mapError((error) => (error._tag === "EvolutionFailed" ? error : failureOf(error)))
  )

  return ProcessorEvolution.of({ inspect, bringTo })
})

export const layer = Layer.effect(ProcessorEvolution, make)
