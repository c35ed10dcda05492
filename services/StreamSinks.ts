/**
 * What the sink has done for the streams beside weather.
 * Owns: their tables' newest snapshots, which of them are paused, which it cannot write or maintain. Does not own: weather (TableReader, Components), the log.
 */
import { Context, Effect, Layer, type Option } from "effect"
import type { TableReadError, TableSnapshot } from "./TableReader.ts"

export interface SinkFailure {
  /** Sentences. */
  readonly reason: string
  /** Its events are still committed; only the files of its table cannot be merged. */
  readonly isWritten?: true
}

export class StreamSinks extends Context.Service<
  StreamSinks,
  {
    /** The newest snapshot of a stream's table; none before its first commit. */
    readonly current: (stream: string) => Effect.Effect<Option.Option<TableSnapshot>, TableReadError>
    /** The streams that are paused on request; none if that cannot be read. */
    readonly paused: Effect.Effect<ReadonlyArray<string>>
    /** What the running sink cannot do, by stream; empty if that cannot be read. */
    readonly failures: Effect.Effect<ReadonlyMap<string, SinkFailure>>
  }
>()("floe/services/StreamSinks") {
  /** Where weather is the only stream. */
  static readonly weatherOnly = Layer.succeed(
    StreamSinks,
    StreamSinks.of({
      current: () => Effect.succeedNone,
      paused: Effect.succeed([]),
      failures: Effect.succeed(new Map<string, SinkFailure>())
    })
  )
}
