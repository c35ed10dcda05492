/** What bringing a stream or a processor to a definition fails with. */
import { Effect } from "effect"
import { EvolutionFailed } from "../../../services/TableEvolution.ts"

const temporary = new Set([
  "ConnectUnavailable",
  "GroupsUnavailable",
  "LogUnavailable",
  "QueryUnavailable",
  "TableUnavailable",
  "TopicsUnavailable"
])

export const failureOf = (cause: { readonly _tag: string; readonly message: string }) =>
  new EvolutionFailed({ reason: cause.message, isTemporary: temporary.has(cause._tag), cause })

export const asFailure = Effect.mapError(failureOf)
