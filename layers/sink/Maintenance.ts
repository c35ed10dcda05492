import { Duration, Effect, Layer } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { Maintenance, MaintenanceFailed } from "../../services/Maintenance.ts"
import { fileGrace, snapshotKeep, timeTravel } from "../../services/Settings.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { plan } from "../table/iceberg/MaintenancePlan.ts"
import { metadataOf } from "../table/iceberg/SnapshotLease.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import { make as specOf } from "../table/schema/TableSpec.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { SinkControl } from "./SinkControl.ts"
import * as Upkeep from "./Upkeep.ts"

const runLocally = (stream: AppliedStream) =>
  Effect.flatMap(Upkeep.make, ({ now }) => now).pipe(
    Effect.provide(Layer.fresh(TableWriterLayer.layerOf(stream).pipe(Layer.provide(TableWriterLayer.writersLayer))))
  )

const run = Effect.fn("Maintenance.run")(
  function* (stream: AppliedStream, onProgress: (step: string) => Effect.Effect<void>) {
    return yield* SinkCommand.dispatch({
      command: "maintain",
      stream: stream.definition.name,
      runLocally: runLocally(stream),
      onProgress
    })
  },
  // Built only here, because it creates its database, which a folder without a table must not get.
  Effect.provide(SinkControl.layer),
  Effect.catchIf(
    (error) => error._tag !== "TableUnavailable" && error._tag !== "TableBroken",
    (error) => Effect.fail(new MaintenanceFailed({ reason: error.message, cause: error }))
  )
)

/** Of the table of this stream. */
export const layerOf = (name: string) =>
  Layer.effect(
    Maintenance,
    Effect.gen(function* () {
      const stream = yield* (yield* Streams).find(name)
      const table = (yield* DataFolder).tableAt(name)
      const [snapshots, travel, grace] = [yield* snapshotKeep, yield* timeTravel, yield* fileGrace]
      const retention = { snapshots, timeTravel: Duration.toMillis(travel), metadataFiles: 0 }
      const services = yield* Effect.context<DataFolder | Leases>()

      return Maintenance.of({
        continuesWhenInterrupted: true,
        plan: plan(table, retention, Duration.toMillis(grace), specOf(stream)),
        run: (onProgress) => Effect.andThen(metadataOf(table), Effect.provide(run(stream, onProgress), services))
      })
    })
  )
