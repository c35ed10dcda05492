/** The rule that lets a processor's rows be a function of one partition's log: all events of a key are in one partition. */
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"

/**
 * Whether a processor reads its input through a topic of its own, by its own key: the topic of the input has this many
 * partitions, by the stream's key or by none.
 */
export const readsByKey = (
  { kind, ownKey, rekeyed }: Pick<ProcessorDefinition, "kind" | "ownKey" | "rekeyed">,
  partitions: number
) => (kind === "window" || kind === "fold") && partitions > 1 && (ownKey === true || rekeyed)
