import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { Column, ColumnType } from "../../services/StreamDefinition.ts"
import { firstVersion } from "../declaration/assignIds.ts"
import { compareStreams } from "../declaration/compareStreams.ts"
import { ProcessorStopped } from "./Runner.ts"

const parts = ["kind", "from", "rekeyed", "to", "window", "outOfOrder", "lateness", "ahead"] as const

const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value))

const lostIn = (before: ColumnType, now: ColumnType, path: string): string | undefined => {
  if (before.type === "struct" && now.type === "struct") return lost(before.fields, now.fields, `${path}.`)
  if (before.type === "list" && now.type === "list") return lostIn(before.element, now.element, path)
  if (before.type === "map" && now.type === "map") return lostIn(before.value, now.value, path)
  return undefined
}

/** Path of a column whose values functions would not find under its name any more. */
const lost = (before: ReadonlyArray<Column>, now: ReadonlyArray<Column>, path: string): string | undefined => {
  for (const column of before) {
    const same = now.find(({ name }) => name === column.name)
    const found = same === undefined ? path + column.name : lostIn(column, same, path + column.name)
    if (found !== undefined) return found
  }
  return undefined
}

/** Why the state of a processor does not fit its declaration, as a clause; undefined if it does. */
export const definitionChange = (before: ProcessorDefinition, now: ProcessorDefinition) => {
  for (const part of parts) {
    if (text(before[part]) !== text(now[part])) {
      return `its ${part} was ${text(before[part])} and is ${text(now[part])} now`
    }
  }
  if (before.ownKey !== now.ownKey) {
    const [was, is] = now.ownKey ? ["the stream's", "a function's"] : ["a function's", "the stream's"]
    return `its key was ${was} and is ${is} now`
  }
  const missing = lost(before.state, now.state, "")
  if (missing !== undefined) return `its state has no column ${missing} any more`
  const asStream = ({ name, state }: ProcessorDefinition) => ({ name, columns: state, key: null, partitionBy: [] })
  const [refusal] = compareStreams([firstVersion(asStream(before), 0)], asStream(now)).refusals
  return refusal === undefined ? undefined : `the column ${refusal.path} of its state does not fit: ${refusal.sentence}`
}

/** Throws ProcessorStopped if the state that `before` made does not fit the declaration. */
export const requireSame = (before: ProcessorDefinition, now: ProcessorDefinition) => {
  const change = definitionChange(before, now)
  if (change === undefined) return
  throw new ProcessorStopped(
    `The processor ${now.name} cannot go on from its state: ${change}. Run floe processor rebuild ${now.name} to compute its rows from the log again, or give the changed processor another name and another output stream, or change it back.`
  )
}
