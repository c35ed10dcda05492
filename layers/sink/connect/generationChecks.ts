/** What a processor's state topics say that a rebuild must know. */
import { Effect } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { byKeyTopicOf, stateTopicOf } from "../../../services/Topics.ts"
import { readsByKey } from "../../declaration/keyRule.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import { stateSummary } from "../../process/kafka/stateSummary.ts"
import { isSame } from "../../process/planProcessors.ts"
import { plural } from "../../runtime/plural.ts"
import { Refused, streamsOf } from "../rebuiltTogether.ts"

/** Of each partition of a state topic. */
const summariesOf = Effect.fnUntraced(function* (topic: string) {
  const cluster = yield* Cluster
  const described = yield* cluster.find(topic)
  if (described === undefined) return []
  const consumers = yield* Consumer.make(topic, "read_committed")
  const bounds = yield* cluster.bounds(topic, described.partitions.length, "read_committed")
  return yield* Effect.forEach(bounds, (one) => stateSummary(consumers, one, false))
}, Effect.scoped)

const progressOf = Effect.fnUntraced(function* (name: string) {
  const summaries = yield* summariesOf(stateTopicOf((yield* topicNames).ofProcessor(name)))
  return summaries.map(({ progress }) => progress)
})

/** Offset of the first event that was copied from each partition of the input, undefined where none was; undefined for a processor that copies nothing. */
const copiedFrom = Effect.fnUntraced(function* (name: string) {
  const [copying] = yield* summariesOf(stateTopicOf(byKeyTopicOf((yield* topicNames).ofProcessor(name))))
  if (copying?.rekeyed === undefined) return undefined
  const { first = [], next } = copying.rekeyed
  return next.map((end, partition) => {
    const start = first[partition] ?? 0
    return start < end ? start : undefined
  })
})

/** The service may have loaded another module than this command. */
export const requireSameDefinition = Effect.fnUntraced(function* (definition: ProcessorDefinition) {
  const all = yield* progressOf(definition.name)
  if (all.every((one) => one === undefined || isSame(one.definition, definition))) return
  return yield* new Refused({
    message: `The service processor and this command have different declarations of the processor ${definition.name}. Give both the same file (FLOE_STREAMS, FLOE_STREAMS_FOLDER), and run the command again. Nothing was changed.`
  })
}, Effect.provide(Cluster.layer))

/** Refuses inputs from which other rows would come, whatever the functions are: with more partitions, or without their first events. */
export const requireSameInputs = Effect.fnUntraced(function* (definitions: ReadonlyArray<ProcessorDefinition>) {
  const cluster = yield* Cluster
  const { ofStream } = yield* topicNames
  const rebuilt = streamsOf(definitions)
  for (const definition of definitions) {
    const { from, name, to } = definition
    if (rebuilt.includes(from)) continue
    const topic = ofStream(from)
    const { partitions } = yield* cluster.describe(topic)
    const read = yield* progressOf(name)
    const isKeyed = definition.kind === "window" || definition.kind === "fold"
    const isByKey = readsByKey(definition, partitions.length)
    if (isKeyed && !isByKey && read.length > 0 && read.length !== partitions.length) {
      return yield* new Refused({
        message: `The topic ${topic} has ${plural(partitions.length, "partition")}, and had ${read.length} when ${name} was applied: events of one key are in several of them. Declare a new stream in place of ${from}, and give the processor another name and another output stream.`
      })
    }
    // What the topic by key still has does not help: a rebuild copies the input again.
    const firsts = (yield* copiedFrom(name)) ?? read.map((one) => one && (one.first ?? 0))
    const starts = yield* cluster.offsets(topic, partitions.length, "start")
    for (const [partition, start] of starts.entries()) {
      const first = firsts[partition]
      if (first === undefined || start <= first) continue
      return yield* new Refused({
        message: `The topic ${topic} begins at offset ${start} of partition ${partition}, and ${name} has read it from offset ${first}: earlier events have expired or were deleted. Only ${to} still has their rows, and a rebuild would lose them. Give the changed processor another name and another output stream.`
      })
    }
  }
}, Effect.provide(Cluster.layer))
