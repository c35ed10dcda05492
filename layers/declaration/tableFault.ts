import { Effect } from "effect"
import { TableEvolution } from "../../services/TableEvolution.ts"

/** Why a new stream cannot have its table, as the end of a sentence: its name is that of another table. */
export const tableFault = Effect.fnUntraced(function* (stream: string) {
  const { lastId, follows } = yield* (yield* TableEvolution).inTable(stream)
  if (lastId === 0 || follows?.definition.name === stream) return undefined
  return `stream ${stream}: the table default.${stream} exists already, and floe rebuild or another program made it; choose another name, or move that table away`
})
