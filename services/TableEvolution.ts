/**
 * Gives the table of a stream the columns of the stream's next version. The log and the door are told afterwards.
 * Owns: the columns of tables. Does not own: which changes are possible, the history (Streams).
 */
import { Context, type Effect, Schema } from "effect"
import type { AppliedStream } from "./StreamDefinition.ts"

/** Nothing but the table can have changed; the same call again completes it. */
export class EvolutionFailed extends Schema.TaggedError<EvolutionFailed>()("EvolutionFailed", {
  /** A sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

export class TableEvolution extends Context.Service<
  TableEvolution,
  {
    /** The table has the columns when this returns. Calls `onProgress` with each step. */
    readonly evolve: (
      stream: AppliedStream,
      onProgress: (step: string) => Effect.Effect<void>
    ) => Effect.Effect<void, EvolutionFailed>
    /** The last field id that the table has given, and the version that it follows; 0 and none before its first commit. */
    readonly inTable: (
      stream: string
    ) => Effect.Effect<{ readonly lastId: number; readonly follows: AppliedStream | undefined }, EvolutionFailed>
  }
>()("floe/services/TableEvolution") {}
