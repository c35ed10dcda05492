/**
 * What a stream has beside its log and follows its versions: its table and, in the distributed profile, its topics and its
 * connector. The log and the door are told afterwards.
 * Owns: bringing them to a version. Does not own: which changes are possible, the history (Streams).
 */
import { Context, type Effect, Schema, type Scope } from "effect"
import type { AppliedStream } from "./StreamDefinition.ts"

/** The stream's version in the log has not changed; the same call again completes what was begun. */
export class EvolutionFailed extends Schema.TaggedError<EvolutionFailed>()("EvolutionFailed", {
  /** A sentence. */
  reason: Schema.String,
  /** Something that it needs is away, so a retry can help. */
  isTemporary: Schema.optionalKey(Schema.Boolean),
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

/** A change that died before its version was in the log. */
export interface BegunChange {
  readonly next: AppliedStream
  /** When it stopped, as the end of a sentence: `after its table had it`. */
  readonly stopped: string
  /** Whether its table has something of it, so that it must be completed before any other change. */
  readonly isBinding: boolean
}

/** What a stream has, compared with its newest version in the log. */
export interface EvolutionState {
  readonly begun: BegunChange | undefined
  /** The last field id that the table has given; 0 if there is no table. */
  readonly lastId: number
  /** Why no version can be brought in, as the end of a sentence that begins with the stream. */
  readonly fault: string | undefined
}

export class TableEvolution extends Context.Service<
  TableEvolution,
  {
    /** Until the scope closes no other program can apply a declaration; fails if another does. */
    readonly exclusive: Effect.Effect<void, EvolutionFailed, Scope.Scope>
    /** Changes nothing. `applied` is the newest version in the log; undefined for a stream that is new. */
    readonly inspect: (
      stream: string,
      applied: AppliedStream | undefined
    ) => Effect.Effect<EvolutionState, EvolutionFailed>
    /**
     * Why the stream's table cannot have this version: ends of sentences that begin with the table; empty if it can, and if
     * there is no table. `evolve` would fail for the same reasons. Changes nothing.
     */
    readonly conflicts: (next: AppliedStream) => Effect.Effect<ReadonlyArray<string>, EvolutionFailed>
    /** Everything that the stream has is at this version when this returns. Calls `onProgress` with each step. */
    readonly evolve: (
      next: AppliedStream,
      onProgress: (step: string) => Effect.Effect<void>
    ) => Effect.Effect<void, EvolutionFailed>
    /**
     * Brings back what is missing of a version that is in the log, except for its table, and brings settings up to date.
     * Returns what it did, as ends of sentences that begin with the stream. `history` has every version, oldest first.
     */
    readonly restore: (history: ReadonlyArray<AppliedStream>) => Effect.Effect<ReadonlyArray<string>, EvolutionFailed>
    /** The names of the topics that there are of the stream; empty where streams have none. */
    readonly topics: (stream: string) => Effect.Effect<ReadonlyArray<string>, EvolutionFailed>
  }
>()("floe/services/TableEvolution") {}
