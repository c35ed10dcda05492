/**
 * Records a processor's definition in the topic of streams, and then creates the topic of its state, so that a processor whose
 * state has a topic is one that was applied.
 */
import { Effect, Layer, Option, Schedule } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { ProcessorEvolution } from "../../../services/ProcessorEvolution.ts"
import * as Settings from "../../../services/Settings.ts"
import { Streams } from "../../../services/Streams.ts"
import { EvolutionFailed } from "../../../services/TableEvolution.ts"
import { deadLettersOf, stateTopicOf, type TopicDescription, Topics, topicOf } from "../../../services/Topics.ts"
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
  const weatherTopic = yield* Settings.topic
  const partitions = yield* Settings.partitions
  const replication = yield* Settings.replication

  const describe = (name: string) => Effect.map(topics.describe(name), Option.getOrUndefined)
  const inputOf = ({ from }: ProcessorDefinition) => describe(topicOf(from, weatherTopic))

  const inspect = Effect.fn("ProcessorEvolution.inspect")(function* (processor: ProcessorDefinition) {
    const { name, to } = processor
    const applied = (yield* streams.processors).find((one) => one.name === name)
    const [input, state, output] = yield* Effect.all([inputOf(processor), describe(stateTopicOf(name)), describe(to)], {
      concurrency: 3
    })
    return {
      applied,
      inputPartitions: input?.partitions.length ?? partitions,
      statePartitions: state?.partitions.length,
      hasBegun: hasRecords(state),
      hasWritten: hasRecords(output)
    }
  }, asFailure)

  const bringTo = Effect.fn("ProcessorEvolution.bringTo")(
    function* (processor: ProcessorDefinition, onProgress: (step: string) => Effect.Effect<void>) {
      const { from, name } = processor
      yield* onProgress(`${name}: creating its topics`)
      const input = yield* Effect.retry(inputOf(processor), newTopic)
      if (input === undefined) {
        const topic = topicOf(from, weatherTopic)
        return yield* new EvolutionFailed({
          reason: `The processor ${name} reads the topic ${topic}, which does not exist; floe topics create creates it`,
          // `floe setup` creates it meanwhile.
          isTemporary: true,
          cause: topic
        })
      }
      yield* topics.create({ name: deadLettersOf(name), partitions: 1, replication })
      const applied = (yield* streams.processors).find((one) => one.name === name)
      if (applied === undefined || !isSame(applied, processor)) yield* streams.recordProcessor(processor)
      yield* topics.create({
        name: stateTopicOf(name),
        partitions: input.partitions.length,
        replication,
        isCompacted: true
      })
    },
    Effect.mapError((error) => (error._tag === "EvolutionFailed" ? error : failureOf(error)))
  )

  return ProcessorEvolution.of({ inspect, bringTo })
})

export const layer = Layer.effect(ProcessorEvolution, make)
