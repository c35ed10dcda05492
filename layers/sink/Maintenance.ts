import { Duration, Effect, Layer } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { Maintenance, MaintenanceFailed } from "../../services/Maintenance.ts"
import { fileGrace, snapshotKeep, timeTravel } from "../../services/Settings.ts"
import { plan } from "../table/iceberg/MaintenancePlan.ts"
import { metadataOf } from "../table/iceberg/SnapshotLease.ts"
import * as TableWriterLayer from "../table/iceberg/TableWriter.ts"
import * as SinkCommand from "./SinkCommand.ts"
import { SinkControl } from "./SinkControl.ts"
import * as Upkeep from "./Upkeep.ts"

const runLocally = Effect.flatMap(Upkeep.make, ({ now }) => now).pipe(
  Effect.provide(Layer.fresh(TableWriterLayer.layer))
)

const run = Effect.fn("Maintenance.run")(
  function* (onProgress: (step: string) => Effect.Effect<void>) {
    return yield* SinkCommand.dispatch({ command: "maintain", runLocally, onProgress })
  },
  // Built only here, because it creates its database, which a folder without a table must not get.
  Effect.provide(SinkControl.layer),
  Effect.catchIf(
    (error) => error._tag !== "TableUnavailable" && error._tag !== "TableBroken",
    (error) => Effect.fail(new MaintenanceFailed({ reason: error.message, cause: error }))
  )
)

export const layer = Layer.effect(
  Maintenance,
  Effect.gen(function* () {
    const { table } = yield* DataFolder
    const [snapshots, travel, grace] = [yield* snapshotKeep, yield* timeTravel, yield* fileGrace]
    const retention = { snapshots, timeTravel: Duration.toMillis(travel), metadataFiles: 0 }
    const services = yield* Effect.context<DataFolder | Leases>()

    return Maintenance.of({
      continuesWhenInterrupted: true,
      plan: plan(table, retention, Duration.toMillis(grace)),
      run: (onProgress) => Effect.andThen(metadataOf(table), Effect.provide(run(onProgress), services))
    })
  })
)
