import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { firstVersion } from "../../declaration/assignIds.ts"
import { compareStreams } from "../../declaration/compareStreams.ts"

const parts = ["kind", "from", "rekeyed", "to", "window", "outOfOrder", "lateness", "ahead"] as const

const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value))

/** Why the state of a processor does not fit its declaration, as a clause; undefined if it does. */
export const definitionChange = (before: ProcessorDefinition, now: ProcessorDefinition) => {
  for (const part of parts) {
    if (text(before[part]) !== text(now[part])) {
      return `its ${part} was ${text(before[part])} and is ${text(now[part])} now`
    }
  }
  const asStream = ({ name, state }: ProcessorDefinition) => ({ name, columns: state, key: null, partitionBy: [] })
  const [refusal] = compareStreams([firstVersion(asStream(before), 0)], asStream(now)).refusals
  return refusal === undefined ? undefined : `the column ${refusal.path} of its state does not fit: ${refusal.sentence}`
}
