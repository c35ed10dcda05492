/** How the sink is, from what it last said of itself and from its lock. Nothing is made. */
import { existsSync } from "node:fs"
import { Clock, Effect, Layer, Option } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { SinkControl } from "../../services/SinkControl.ts"
import { isHeld } from "../sqlite/Lock.ts"
import * as SinkControlLayer from "../sqlite/SinkControl.ts"

/** It says that it lives every second. */
const silenceMillis = 5_000

export type SinkState =
  | { readonly _tag: "Running" | "Paused" | "Never"; readonly processId: number; readonly heartbeatAt: number }
  | { readonly _tag: "Failed"; readonly reason: string; readonly heartbeatAt: number }
  | { readonly _tag: "Stopped" | "Died"; readonly heartbeatAt: number }
  /** It holds its lock and says nothing. */
  | { readonly _tag: "Silent"; readonly processId: number; readonly heartbeatAt: number }

export const sinkState = (folder: DataFolder["Service"]) =>
  Effect.gen(function* () {
    const never: SinkState = { _tag: "Never", processId: 0, heartbeatAt: 0 }
    if (!existsSync(folder.control)) return never
    const found = yield* Effect.flatMap(SinkControl, ({ status }) => status).pipe(
      Effect.provide(SinkControlLayer.layer.pipe(Layer.provide(Layer.succeed(DataFolder, folder))))
    )
    if (Option.isNone(found)) return never
    const { state, heartbeatAt, processId, reason } = found.value
    if (state === "stopped") return { _tag: "Stopped", heartbeatAt } satisfies SinkState
    const isSilent = (yield* Clock.currentTimeMillis) - heartbeatAt > silenceMillis
    if (state === "failed") return { _tag: "Failed", reason: reason ?? "", heartbeatAt } satisfies SinkState
    if (!isSilent)
      return { _tag: state === "paused" ? "Paused" : "Running", processId, heartbeatAt } satisfies SinkState
    const held = yield* isHeld(folder.sinkLock)
    return held
      ? ({ _tag: "Silent", processId, heartbeatAt } satisfies SinkState)
      : ({ _tag: "Died", heartbeatAt } satisfies SinkState)
  }).pipe(Effect.withSpan("SinkState"))
