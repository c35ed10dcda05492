import { existsSync } from "node:fs"
import { Effect, Layer } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { Leases } from "../../../services/Leases.ts"
import { type SinkFailure, StreamSinks } from "../../../services/StreamSinks.ts"
import { TableReader } from "../../../services/TableReader.ts"
import { isHeld } from "../../runtime/ProcessLock.ts"
import { SinkControl } from "../../sink/SinkControl.ts"
import * as TableReaderLayer from "../../table/iceberg/TableReader.ts"

export const layer = Layer.effect(
  StreamSinks,
  Effect.gen(function* () {
    const { controlDatabase, sinkLock } = yield* DataFolder
    const services = yield* Effect.context<DataFolder | Leases>()
    const read = <A, E>(what: (control: SinkControl["Service"]) => Effect.Effect<A, E>, otherwise: A) =>
      Effect.suspend(() =>
        existsSync(controlDatabase)
          ? Effect.flatMap(SinkControl, what).pipe(
              Effect.provide(Layer.fresh(SinkControl.layer)),
              Effect.provide(services),
              Effect.orElseSucceed(() => otherwise)
            )
          : Effect.succeed(otherwise)
      )
    return StreamSinks.of({
      current: (stream) =>
        Effect.flatMap(TableReader, ({ current }) => current).pipe(
          Effect.provide(Layer.fresh(TableReaderLayer.at(stream))),
          Effect.provide(services)
        ),
      paused: read(({ pausedStreams }) => pausedStreams, []),
      failures: Effect.gen(function* () {
        if (!(yield* Effect.orElseSucceed(isHeld(sinkLock), () => false))) return new Map<string, SinkFailure>()
        const failures = yield* read(({ failures }) => failures, [])
        return new Map<string, SinkFailure>(failures.map(({ stream, ...failure }) => [stream, failure]))
      })
    })
  })
)
