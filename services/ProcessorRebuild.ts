/**
 * Recomputes a processor's rows from its input, and replaces the old rows and their tables.
 * Owns: what is rebuilt together. Does not own: the computation, the tables (Rebuild).
 */
import { Context, type Effect, Schema } from "effect"
import type { Discards } from "./Rebuild.ts"

/** The processor was not rebuilt; what was in place is, or the same command completes what was begun. */
export class ProcessorRebuildFailed extends Schema.TaggedError<ProcessorRebuildFailed>()("ProcessorRebuildFailed", {
  /** Sentences. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

export interface RebuiltProcessors {
  /** The processor, and those that read what it writes. */
  readonly names: ReadonlyArray<string>
  readonly tables: ReadonlyArray<string>
}

export class ProcessorRebuild extends Context.Service<
  ProcessorRebuild,
  {
    /** Rebuilds the processor, and those that read what it writes. Calls `onProgress` with each step. */
    readonly run: (
      name: string,
      discard: Discards,
      onProgress: (step: string) => Effect.Effect<void>
    ) => Effect.Effect<RebuiltProcessors, ProcessorRebuildFailed>
  }
>()("floe/services/ProcessorRebuild") {}
