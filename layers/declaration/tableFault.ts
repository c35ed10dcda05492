import { Effect } from "effect"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { TableEvolution } from "../../services/TableEvolution.ts"

/** Why a stream cannot be created, or changed, for what it has already: a sentence. */
export const tableFault = Effect.fnUntraced(function* (stream: string, applied?: AppliedStream) {
  const { fault } = yield* (yield* TableEvolution).inspect(stream, applied)
  return fault === undefined ? undefined : `stream ${stream}: ${fault}`
})
