/** The running sink changes a table's columns between commits, or this process does it if no sink runs. */
import { Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { AppliedStream } from "../../services/StreamDefinition.ts"
import { EvolutionFailed, TableEvolution } from "../../services/TableEvolution.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import { appliedIn, evolved } from "../table/iceberg/evolveSchema.ts"
import { readMetadata } from "../table/iceberg/MetadataFiles.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import * as TableSpec from "../table/schema/TableSpec.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { evolveCommand, SinkControl } from "./SinkControl.ts"

const encode = Schema.encodeSync(Schema.fromJsonString(AppliedStream))

const takenName = (stream: string) =>
  `the table default.${stream} exists already, and floe rebuild or another program made it; choose another name, or move that table away`

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
    const evolve = Effect.fn("TableEvolution.evolve")(
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
    return TableEvolution.of({
      // The sink's requests are in order, and the log takes only the version that follows the last one.
      exclusive: Effect.void,
      inspect: Effect.fn("TableEvolution.inspect")(
        function* (stream: string, applied: AppliedStream | undefined) {
          const table = Option.getOrUndefined(yield* readMetadata(folder.tableAt(stream)))
          if (table === undefined) return { begun: undefined, lastId: 0, fault: undefined }
          const follows = appliedIn(table.metadata)
          const isTaken = applied === undefined && follows?.definition.name !== stream
          return {
            begun:
              applied !== undefined && follows?.version === applied.version + 1
                ? { next: follows, stopped: "after its table had it", isBinding: true }
                : undefined,
            lastId: table.metadata["last-column-id"],
            fault: isTaken ? takenName(stream) : undefined
          }
        },
        Effect.mapError((cause) => new EvolutionFailed({ reason: cause.message, cause }))
      ),
      conflicts: Effect.fn("TableEvolution.conflicts")(
        function* (next: AppliedStream) {
          const table = Option.getOrUndefined(yield* readMetadata(folder.tableAt(next.definition.name)))
          const before = table === undefined ? undefined : appliedIn(table.metadata)
          if (table === undefined || before === undefined) return []
          const change = evolved(table.metadata, TableSpec.make(before), TableSpec.make(next))
          return change._tag === "Refused" ? [`it ${change.reason}`] : []
        },
        Effect.mapError((cause) => new EvolutionFailed({ reason: cause.message, cause }))
      ),
      restore: () => Effect.succeed([]),
      topics: () => Effect.succeed([]),
      // The first commit creates the table.
      evolve: (next, onProgress) => (next.version === 1 ? Effect.void : evolve(next, onProgress))
    })
  })
)
