/**
 * What the sink has done for the streams beside weather.
 * Owns: their tables' newest snapshots, which of them are paused, which it cannot write. Does not own: weather (TableReader, Components), the log.
 */
import { Context, Effect, Layer, type Option } from "effect"
import type { TableReadError, TableSnapshot } from "./TableReader.ts"

export class StreamSinks extends Context.Service<
  StreamSinks,
  {
    /** The newest snapshot of a stream's table; none before its first commit. */
    readonly current: (stream: string) => Effect.Effect<Option.Option<TableSnapshot>, TableReadError>
    /** The streams that are paused on request; none if that cannot be read. */
    readonly paused: Effect.Effect<ReadonlyArray<string>>
    /** Why the running sink cannot write or maintain a stream's table, as sentences by stream; empty if that cannot be read. */
    readonly failures: Effect.Effect<ReadonlyMap<string, string>>
  }
>()("floe/services/StreamSinks") {
  /** Where weather is the only stream. */
  static readonly weatherOnly = Layer.succeed(
    StreamSinks,
    StreamSinks.of({
      current: () => Effect.succeedNone,
      paused: Effect.succeed([]),
      failures: Effect.succeed(new Map<string, string>())
    })
  )
}
