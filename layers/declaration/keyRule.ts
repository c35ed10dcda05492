/** The rule that lets a processor's rows be a function of one partition's log: all events of a key are in one partition. */
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { weatherStream } from "../../services/Weather.ts"
import { type Fault, processorSentence } from "./Fault.ts"

/** Undefined if the rule holds for an input whose topic has this many partitions. */
export const keyFault = (
  { from, kind, ownKey, rekeyed }: ProcessorDefinition,
  input: Pick<StreamDefinition, "key"> | undefined,
  partitions: number
): Fault | undefined => {
  const hasKey = kind === "window" || kind === "fold"
  if (!hasKey || partitions === 1 || (!ownKey && !rekeyed)) return undefined
  const key = input?.key ?? null
  const spread = `the topic of ${from} has ${partitions} partitions, and events of one key would be in several of them`
  const fix =
    key === null
      ? `declare a stream with that key, or one with one partition (FLOE_PARTITIONS=1 when its topic is created)`
      : `leave ${rekeyed ? "Processor.rekey and " : ""}key out to process by the stream's key ${key}, or declare a stream with the key that you need`
  const reading = rekeyed ? "; reading them by another key from a topic of its own is not there yet" : ""
  return { path: rekeyed ? "from" : "key", sentence: `${spread}${reading}; ${fix}` }
}

/** The same of every processor of a declaration, as sentences. */
export const keyFaults = (
  processors: ReadonlyArray<ProcessorDefinition>,
  streams: ReadonlyArray<StreamDefinition>,
  partitions: number
): ReadonlyArray<string> =>
  processors.flatMap((processor) => {
    const input = [weatherStream.definition, ...streams].find(({ name }) => name === processor.from)
    const fault = keyFault(processor, input, partitions)
    return fault === undefined ? [] : [processorSentence(processor.name, fault)]
  })
