/** What a declaration would change of the processors of a log in the distributed profile. Pure. */
import { Schema } from "effect"
import { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedProcessor } from "../../services/ProcessorEvolution.ts"
import { byKeyTopicOf, stateTopicOf } from "../../services/Topics.ts"
import { processorSentence } from "../declaration/Fault.ts"
import { plural } from "../runtime/plural.ts"
import { definitionChange } from "./definitionChange.ts"

export interface ProcessorPlan {
  readonly processor: string
  readonly action: "create" | "change" | "none"
  readonly effects: ReadonlyArray<string>
  /** Why it is not possible; nothing is applied then. */
  readonly refusals: ReadonlyArray<string>
}

export const isSame = Schema.toEquivalence(ProcessorDefinition)

const another = "give it another name and another output stream"

const fault = (sentence: string) => ({ path: "", sentence })

const lostFault = (lost: string, what: string, again: string) =>
  fault(
    `the topic ${lost} ${what} is not there any more, and ${again}; restore Kafka's volumes from a copy, or ${another}`
  )

const byKeyFault = (
  { from }: ProcessorDefinition,
  { applied, byKey, hasBegun, inputPartitions, topics }: AppliedProcessor
) => {
  if (byKey === undefined) return undefined
  const topic = byKeyTopicOf(topics)
  const { hasRecords, hasState, partitions } = byKey
  if (applied !== undefined && hasBegun && partitions === undefined) {
    return lostFault(topic, "of its input by key", "its state was made from it")
  }
  if (applied !== undefined && hasRecords && !hasState) {
    return lostFault(stateTopicOf(topic), "with its place in its input", `${topic} would get all events again`)
  }
  if (partitions !== undefined && partitions !== inputPartitions) {
    const consequence = hasRecords ? another : `delete the topic ${topic}, and run floe streams apply again`
    return fault(
      `the topic ${topic} has ${plural(partitions, "partition")}, and must have ${inputPartitions} as that of ${from}; ${consequence}`
    )
  }
  return undefined
}

const faultOf = (wanted: ProcessorDefinition, state: AppliedProcessor) => {
  const { applied, byKey, hasBegun, hasWritten, inputPartitions, statePartitions, topics } = state
  const { from, name, to } = wanted
  const topic = stateTopicOf(topics)
  const foreign = hasBegun ? topic : byKey?.hasRecords ? byKeyTopicOf(topics) : undefined
  if (applied === undefined && foreign !== undefined) {
    return fault(
      `the topic ${foreign} exists already and has records of another program; ${another}, or delete that topic`
    )
  }
  if (applied !== undefined && statePartitions === undefined && hasWritten) {
    return lostFault(topic, "of its state", `${to} has rows that it would write again`)
  }
  if (statePartitions !== undefined && statePartitions !== inputPartitions) {
    const consequence = hasBegun
      ? `events of one key are in several of them; declare a new stream in place of ${from}, and ${another}`
      : `the topic ${topic} must have as many; delete that topic, and run floe streams apply again`
    return fault(
      `the topic of ${from} has ${plural(inputPartitions, "partition")}, and had ${statePartitions} when the processor was applied: ${consequence}`
    )
  }
  const change = applied !== undefined && hasBegun ? definitionChange(applied, wanted) : undefined
  if (change !== undefined) {
    return fault(
      `${change}, and its state does not fit; run floe processor rebuild ${name}, ${another}, or change it back`
    )
  }
  return byKeyFault(wanted, state)
}

/** Of one processor. */
export const planProcessor = (wanted: ProcessorDefinition, state: AppliedProcessor): ProcessorPlan => {
  const { from, name, to } = wanted
  const { applied, byKey, inputPartitions, statePartitions, topics } = state
  const fault = faultOf(wanted, state)
  const refusals = fault === undefined ? [] : [processorSentence(name, fault)]
  const isChanged = applied !== undefined && !isSame(applied, wanted)
  const lacksByKey = byKey !== undefined && (byKey.partitions === undefined || !byKey.hasState)
  const isIncomplete = statePartitions === undefined || lacksByKey
  const action = applied === undefined ? "create" : isChanged || isIncomplete ? "change" : "none"
  const asMany = `with ${plural(inputPartitions, "partition")}, as many as ${from} has`
  const byKeyTopic = byKeyTopicOf(topics)
  const gets = [
    ...(byKey === undefined || byKey.partitions !== undefined
      ? []
      : [`gets the topic ${byKeyTopic} ${asMany}: the events of ${from} by another key`]),
    ...(byKey === undefined || byKey.hasState ? [] : [`gets the topic ${stateTopicOf(byKeyTopic)}`]),
    ...(statePartitions === undefined ? [`gets the topic ${stateTopicOf(topics)} ${asMany}`] : [])
  ]
  return {
    processor: name,
    action,
    effects: [
      ...(applied === undefined ? [`reads ${from}, and writes ${to}`] : []),
      ...gets,
      ...(isChanged ? ["its definition changes; its state fits"] : [])
    ],
    refusals
  }
}
