/** A processor's declaration in words. */
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000]
] as const

/** `90 minutes`. */
export const lengthText = (millis: number) => {
  for (const [unit, size] of units) {
    const count = millis / size
    if (Number.isInteger(count) && count > 0) return `${count} ${unit}${count === 1 ? "" : "s"}`
  }
  return `${millis} ms`
}

/** `tumbling 1 hour`; the kind of a processor without windows. */
export const kindText = ({ kind, window }: ProcessorDefinition) => {
  switch (window?.type) {
    case "tumbling":
      return `tumbling ${lengthText(window.size)}`
    case "hopping":
      return `hopping ${lengthText(window.size)} every ${lengthText(window.every)}`
    case "session":
      return `session ${lengthText(window.gap)}`
    default:
      return kind
  }
}
