/**
 * The streams of this log: their applied definitions and the history of each.
 * Owns: which streams there are, in which version. Does not own: a user's module, the events (EventLog), the tables (TableWriter).
 */
import { Context, type Effect, Schema } from "effect"
import type { LogCorrupt, LogUnavailable } from "./EventLog.ts"
import { ProcessorDefinition } from "./ProcessorDefinition.ts"
import type { AppliedStream, BegunStream } from "./StreamDefinition.ts"

export class NoSuchStream extends Schema.TaggedError<NoSuchStream>()("NoSuchStream", {
  name: Schema.String,
  /** The stream with the most similar name, if one is similar. */
  nearest: Schema.NullOr(Schema.String)
}) {
  override get message() {
    const hint = this.nearest === null ? "floe streams list names them all." : `did you mean ${this.nearest}?`
    return `There is no stream ${this.name}; ${hint}`
  }
}

/** A rebuild of processors on Kafka. */
export const RunningRebuild = Schema.Struct({
  /** The processor that is rebuilt, and after it those that read what it writes, each after those that it reads from. */
  definitions: Schema.NonEmptyArray(ProcessorDefinition),
  /** The number in the names of the topics that it fills. */
  generation: Schema.Int,
  /** The generation of each processor before it, by name. */
  former: Schema.Record(Schema.String, Schema.Int),
  /** `filling`: only the rebuild reads its topics. `switching`: tables and readers move to them. `abandoned`: none of it is used. */
  phase: Schema.Literals(["filling", "switching", "abandoned"])
})
export type RunningRebuild = typeof RunningRebuild.Type

export class Streams extends Context.Service<
  Streams,
  {
    /** Reads them from the log at each call: weather first, then by name. */
    readonly all: Effect.Effect<ReadonlyArray<AppliedStream>, LogUnavailable | LogCorrupt>
    readonly find: (name: string) => Effect.Effect<AppliedStream, NoSuchStream | LogUnavailable | LogCorrupt>
    /** Every version of a stream, oldest first. */
    readonly history: (name: string) => Effect.Effect<ReadonlyArray<AppliedStream>, LogUnavailable | LogCorrupt>
    /** Makes a definition the one in force, durably. Its version must be the next one of its stream. */
    readonly record: (stream: AppliedStream) => Effect.Effect<void, LogUnavailable | LogCorrupt>
    /**
     * Notes durably, before anything else is changed, which version is coming; `record` ends it. `isHeld`: its connector, which
     * was running, is being stopped for it. A no-op where tables have their version.
     */
    readonly begin: (stream: AppliedStream, isHeld?: boolean) => Effect.Effect<void, LogUnavailable | LogCorrupt>
    /** Ends what `begin` noted of a stream, if nothing else was changed for it. */
    readonly withdraw: (name: string) => Effect.Effect<void, LogUnavailable | LogCorrupt>
    /** The versions that were begun and not recorded: one is being applied now, or died half-way. */
    readonly pending: Effect.Effect<ReadonlyArray<BegunStream>, LogUnavailable | LogCorrupt>
    /** The processors that were applied, by name; none where each keeps its definition with its state. */
    readonly processors: Effect.Effect<ReadonlyArray<ProcessorDefinition>, LogUnavailable | LogCorrupt>
    /** Durable when it returns. A no-op where each keeps its definition with its state. */
    readonly recordProcessor: (processor: ProcessorDefinition) => Effect.Effect<void, LogUnavailable | LogCorrupt>
    /** The names of the processors that are paused; none where the pause is kept elsewhere. */
    readonly paused: Effect.Effect<ReadonlySet<string>, LogUnavailable | LogCorrupt>
    /** Durable when it returns. A no-op where the pause is kept elsewhere. */
    readonly setPaused: (processor: string, isPaused: boolean) => Effect.Effect<void, LogUnavailable | LogCorrupt>
    /** The number in the names of each processor's topics; without an entry it is 1, and not in them. None where files are replaced. */
    readonly generations: Effect.Effect<ReadonlyMap<string, number>, LogUnavailable | LogCorrupt>
    /**
     * All readers move to the topics of the rebuild at once. Durable when it returns. Fails if it is not the one that runs. A
     * no-op where files are replaced.
     */
    readonly setGeneration: (rebuild: RunningRebuild) => Effect.Effect<void, LogUnavailable | LogCorrupt>
    /** The last one that is not complete. Undefined where files are replaced. */
    readonly rebuild: Effect.Effect<RunningRebuild | undefined, LogUnavailable | LogCorrupt>
    /** Durable when it returns. Fails if `before` is not what is there. A no-op where files are replaced. */
    readonly setRebuild: (
      rebuild: RunningRebuild | undefined,
      before: RunningRebuild | undefined
    ) => Effect.Effect<void, LogUnavailable | LogCorrupt>
  }
>()("floe/services/Streams") {}
