/** What a declaration would change of the processors of a log in the distributed profile. Pure. */
import { Schema } from "effect"
import { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedProcessor } from "../../services/ProcessorEvolution.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { stateTopicOf } from "../../services/Topics.ts"
import { weatherStream } from "../../services/Weather.ts"
import { processorSentence } from "../declaration/Fault.ts"
import { keyFault } from "../declaration/keyRule.ts"
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

const faultOf = (
  wanted: ProcessorDefinition,
  { applied, hasBegun, hasWritten, inputPartitions, statePartitions }: AppliedProcessor,
  input: StreamDefinition | undefined
) => {
  const { from, name, to } = wanted
  const topic = stateTopicOf(name)
  const fault = (sentence: string) => ({ path: "", sentence })
  if (applied === undefined && hasBegun) {
    return fault(
      `the topic ${topic} exists already and has records of another program; ${another}, or delete that topic`
    )
  }
  if (applied !== undefined && statePartitions === undefined && hasWritten) {
    return fault(
      `the topic ${topic} of its state is not there any more, and ${to} has rows that it would write again; restore Kafka's volumes from a copy, or ${another}`
    )
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
  if (change !== undefined) return fault(`${change}, and its state does not fit; ${another}, or change it back`)
  return keyFault(wanted, input, inputPartitions)
}

/** Of one processor. `streams` are those of the declaration. */
export const planProcessor = (
  wanted: ProcessorDefinition,
  state: AppliedProcessor,
  streams: ReadonlyArray<StreamDefinition>
): ProcessorPlan => {
  const { from, name, to } = wanted
  const { applied, inputPartitions, statePartitions } = state
  const input = [weatherStream.definition, ...streams].find((stream) => stream.name === from)
  const fault = faultOf(wanted, state, input)
  const refusals = fault === undefined ? [] : [processorSentence(name, fault)]
  const isChanged = applied !== undefined && !isSame(applied, wanted)
  const action = applied === undefined ? "create" : isChanged || statePartitions === undefined ? "change" : "none"
  const topic = `gets the topic ${stateTopicOf(name)} with ${plural(inputPartitions, "partition")}, as many as ${from} has`
  return {
    processor: name,
    action,
    effects: [
      ...(applied === undefined ? [`reads ${from}, and writes ${to}`] : []),
      ...(statePartitions === undefined ? [topic] : []),
      ...(isChanged ? ["its definition changes; its state fits"] : [])
    ],
    refusals
  }
}
