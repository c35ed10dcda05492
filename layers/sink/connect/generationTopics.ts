/** The topics of a generation of processors that are rebuilt together. */
import { Effect, Option, Schedule } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { replication } from "../../../services/Settings.ts"
import { byKeyTopicOf, deadLettersOf, largestRecord, stateTopicOf, Topics } from "../../../services/Topics.ts"
import { readsByKey } from "../../declaration/keyRule.ts"
import { type TopicNames, topicNames } from "../../log/kafka/topicNames.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { Refused, streamsOf } from "../rebuiltTogether.ts"

/** For a moment, not every broker knows a new topic. */
const newTopic = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "10 seconds" }), monotonic)

const partitionsOf = Effect.fnUntraced(function* (topic: string) {
  const found = yield* (yield* Topics).describe(topic)
  if (Option.isSome(found)) return found.value.partitions.length
  return yield* new Refused({ message: `There is no topic ${topic}; floe streams apply creates what is missing.` })
})

/** `names` has those of the new generation. A stream's topic gets as many partitions as that in use has. */
export const create = Effect.fnUntraced(function* (definitions: ReadonlyArray<ProcessorDefinition>, names: TopicNames) {
  const topics = yield* Topics
  const inUse = yield* topicNames
  const copies = yield* replication
  const make = (name: string, partitions: number, isCompacted = false) =>
    topics.create({ name, partitions, replication: copies, isCompacted, maxRecord: largestRecord })
  for (const stream of streamsOf(definitions)) {
    const topic = names.ofStream(stream)
    yield* make(topic, yield* partitionsOf(inUse.ofStream(stream)))
    yield* make(deadLettersOf(topic), 1)
  }
  for (const definition of definitions) {
    const count = yield* Effect.retry(partitionsOf(names.ofStream(definition.from)), newTopic)
    const own = names.ofProcessor(definition.name)
    if (readsByKey(definition, count)) {
      yield* make(byKeyTopicOf(own), count)
      yield* make(stateTopicOf(byKeyTopicOf(own)), 1, true)
    }
    yield* make(stateTopicOf(own), count, true)
  }
})

const allOf = (definitions: ReadonlyArray<ProcessorDefinition>, { ofProcessor, ofStream }: TopicNames) => [
  ...streamsOf(definitions).flatMap((stream) => [ofStream(stream), deadLettersOf(ofStream(stream))]),
  ...definitions.flatMap(({ name }) => {
    const byKey = byKeyTopicOf(ofProcessor(name))
    return [stateTopicOf(ofProcessor(name)), byKey, stateTopicOf(byKey)]
  })
]

/** Those that exist. */
export const existing = Effect.fnUntraced(function* (
  definitions: ReadonlyArray<ProcessorDefinition>,
  names: TopicNames
) {
  const there = new Set(yield* (yield* Topics).list)
  return allOf(definitions, names).filter((topic) => there.has(topic))
})

export const remove = Effect.fnUntraced(function* (definitions: ReadonlyArray<ProcessorDefinition>, names: TopicNames) {
  const topics = yield* Topics
  for (const topic of yield* existing(definitions, names)) yield* topics.remove(topic)
})
