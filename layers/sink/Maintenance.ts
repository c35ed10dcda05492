import { Duration, Effect, Layer } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { Maintenance, MaintenanceFailed } from "../../services/Maintenance.ts"
import { fileGrace, snapshotKeep, timeTravel } from "../../services/Settings.ts"
import { TableWriter } from "../../services/Table.ts"
import { plan } from "../table/iceberg/MaintenancePlan.ts"
import { metadataOf } from "../table/iceberg/SnapshotLease.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import * as SinkCommand from "./SinkCommand.ts"
import * as SinkControl from "./SinkControl.ts"
import * as Upkeep from "./Upkeep.ts"

export const layer = Layer.effect(
  Maintenance,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const [snapshots, travel, grace] = [yield* snapshotKeep, yield* timeTravel, yield* fileGrace]
    const retention = { snapshots, timeTravel: Duration.toMillis(travel), metadataFiles: 0 }
    const services = yield* Effect.context<DataFolder | Leases>()

    const runLocally = Effect.gen(function* () {
      const upkeep = yield* Upkeep.make(yield* TableWriter)
      return yield* upkeep.now
    }).pipe(Effect.provide(Layer.fresh(TableWriterLayer.layer)))

    const run = Effect.fn("Maintenance.run")(
      function* (onProgress: (news: string) => Effect.Effect<void>) {
        return yield* SinkCommand.dispatch({ command: "maintain", runLocally, onProgress })
      },
      // Only here, as it makes its database, which a folder without a table must not get.
      Effect.provide(SinkControl.layer),
      Effect.provide(services),
      Effect.catchIf(
        (error) => error._tag !== "TableUnavailable" && error._tag !== "TableBroken",
        (error) => Effect.fail(new MaintenanceFailed({ reason: error.message, cause: error }))
      )
    )

    return Maintenance.of({
      continuesWhenInterrupted: true,
      plan: plan(folder.table, retention, Duration.toMillis(grace)),
      run: (onProgress) => Effect.andThen(metadataOf(folder.table), run(onProgress))
    })
  })
)
