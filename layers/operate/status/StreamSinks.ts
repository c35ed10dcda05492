import { existsSync } from "node:fs"
import { Effect, Layer } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { Leases } from "../../../services/Leases.ts"
import { StreamSinks } from "../../../services/StreamSinks.ts"
import { TableReader } from "../../../services/TableReader.ts"
import { SinkControl } from "../../sink/SinkControl.ts"
import * as TableReaderLayer from "../../table/iceberg/TableReader.ts"

export const layer = Layer.effect(
  StreamSinks,
  Effect.gen(function* () {
    const { controlDatabase } = yield* DataFolder
    const services = yield* Effect.context<DataFolder | Leases>()
    const paused = Effect.flatMap(SinkControl, ({ pausedStreams }) => pausedStreams).pipe(
      Effect.provide(Layer.fresh(SinkControl.layer)),
      Effect.provide(services),
      Effect.orElseSucceed(() => [])
    )
    return StreamSinks.of({
      current: (stream) =>
        Effect.flatMap(TableReader, ({ current }) => current).pipe(
          Effect.provide(Layer.fresh(TableReaderLayer.at(stream))),
          Effect.provide(services)
        ),
      paused: Effect.suspend(() => (existsSync(controlDatabase) ? paused : Effect.succeed([])))
    })
  })
)
