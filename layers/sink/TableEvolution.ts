/**
 * Gives the table of a stream the columns of the stream's next version: the running sink does it between commits, or this
 * process if no sink runs. The log and the door are told afterwards.
 */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { AppliedStream } from "../../services/StreamDefinition.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import { appliedIn } from "../table/iceberg/evolveSchema.ts"
import { readMetadata } from "../table/iceberg/MetadataFiles.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { evolveCommand, SinkControl } from "./SinkControl.ts"

/** Nothing but the table can have changed; the same call again completes it. */
class EvolutionFailed extends Schema.TaggedError<EvolutionFailed>()("EvolutionFailed", {
  /** A sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

const encode = Schema.encodeSync(Schema.fromJsonString(AppliedStream))

const runLocally = (stream: AppliedStream) =>
  Effect.flatMap(TableWriter, ({ evolve }) => evolve(stream)).pipe(
    Effect.as("Done."),
    Effect.provide(Layer.fresh(TableWriterLayer.layerOf(stream).pipe(Layer.provide(TableWriterLayer.writersLayer))))
  )

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
>()("floe/layers/sink/TableEvolution") {
  static readonly layer = Layer.effect(
    TableEvolution,
    Effect.gen(function* () {
      const services = yield* Effect.context<DataFolder | Leases>()
      const folder = yield* DataFolder
      return TableEvolution.of({
        inTable: Effect.fn("TableEvolution.inTable")(
          function* (stream: string) {
            const table = Option.getOrUndefined(yield* readMetadata(folder.tableAt(stream)))
            if (table === undefined) return { lastId: 0, follows: undefined }
            return { lastId: table.metadata["last-column-id"], follows: appliedIn(table.metadata) }
          },
          Effect.mapError((cause) => new EvolutionFailed({ reason: cause.message, cause }))
        ),
        evolve: Effect.fn("TableEvolution.evolve")(
          function* (stream: AppliedStream, onProgress: (step: string) => Effect.Effect<void>) {
            yield* SinkCommand.dispatch({
              command: evolveCommand,
              stream: stream.definition.name,
              argument: encode(stream),
              runLocally: runLocally(stream),
              onProgress
            })
          },
          // Built only here, because it creates its database.
          Effect.provide(SinkControl.layer),
          Effect.provide(services),
          Effect.mapError((cause) => new EvolutionFailed({ reason: cause.message, cause }))
        )
      })
    })
  )
}
