import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"

/** Processors in the order in which they feed each other: each comes after those that write its input. */
export const inOrder = (definitions: ReadonlyArray<ProcessorDefinition>): ReadonlyArray<ProcessorDefinition> => {
  const writers = new Map<string, ProcessorDefinition>()
  for (const one of definitions) {
    writers.set(one.to, one)
    if (one.late !== null) writers.set(one.late, one)
  }
  const ordered = new Set<ProcessorDefinition>()
  const add = (one: ProcessorDefinition) => {
    if (ordered.has(one)) return
    const writer = writers.get(one.from)
    if (writer !== undefined) add(writer)
    ordered.add(one)
  }
  for (const one of definitions) add(one)
  return [...ordered]
}
