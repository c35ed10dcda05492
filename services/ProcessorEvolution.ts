/**
 * What a processor has beside the streams that it writes: in the distributed profile the topic of its state, and its definition
 * in the log.
 * Owns: what is there, and bringing it to a definition. Does not own: its streams (TableEvolution), running it.
 */
import { Context, type Effect } from "effect"
import type { ProcessorDefinition } from "./ProcessorDefinition.ts"
import type { EvolutionFailed } from "./TableEvolution.ts"

export interface AppliedProcessor {
  /** The definition in the log; undefined for a processor that is new. */
  readonly applied: ProcessorDefinition | undefined
  /** What the names of its own topics begin with. */
  readonly topics: string
  /** Of the topic that it reads; of one that does not exist yet, those that it would get. */
  readonly inputPartitions: number
  /** Of the topic of its state; undefined if that does not exist. */
  readonly statePartitions: number | undefined
  /** Whether the topic of its state has records. */
  readonly hasBegun: boolean
  /** Undefined for a processor that reads its input as it is. */
  readonly byKey:
    | {
        /** Of its topic by key; undefined if that does not exist. */
        readonly partitions: number | undefined
        readonly hasRecords: boolean
        /** Whether the topic exists that says how far it is written. */
        readonly hasState: boolean
      }
    | undefined
  /** Whether the stream that it writes has records. */
  readonly hasWritten: boolean
}

export class ProcessorEvolution extends Context.Service<
  ProcessorEvolution,
  {
    /** Changes nothing. Undefined where a processor needs nothing before it starts. */
    readonly inspect: (processor: ProcessorDefinition) => Effect.Effect<AppliedProcessor | undefined, EvolutionFailed>
    /** Its streams exist. Everything that it has is there when this returns; the same call completes one that was interrupted. */
    readonly bringTo: (
      processor: ProcessorDefinition,
      onProgress: (step: string) => Effect.Effect<void>
    ) => Effect.Effect<void, EvolutionFailed>
  }
>()("floe/services/ProcessorEvolution") {}
