/** The running sink changes a table's columns between commits, or this process does it if no sink runs. */
import { Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { AppliedStream } from "../../services/StreamDefinition.ts"
import { EvolutionFailed, TableEvolution } from "../../services/TableEvolution.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import { appliedIn } from "../table/iceberg/evolveSchema.ts"
import { readMetadata } from "../table/iceberg/MetadataFiles.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { evolveCommand, SinkControl } from "./SinkControl.ts"

const encode = Schema.encodeSync(Schema.fromJsonString(AppliedStream))

const runLocally = (stream: AppliedStream) =>
  Effect.flatMap(TableWriter, ({ evolve }) => evolve(stream)).pipe(
    Effect.as("Done."),
    Effect.provide(Layer.fresh(TableWriterLayer.layerOf(stream).pipe(Layer.provide(TableWriterLayer.writersLayer))))
  )

export const layer = Layer.effect(
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
