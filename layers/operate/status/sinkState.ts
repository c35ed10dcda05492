/** How the sink is, from what it last said of itself and from its lock. Nothing is left behind. */
import { existsSync } from "node:fs"
import { Effect, Layer, Option } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { LockUnusable } from "../../runtime/ProcessLock.ts"
import { probeFolder } from "../../runtime/probeFolder.ts"
import { livenessOf } from "../../sink/heartbeat.ts"
import { type ControlUnavailable, SinkControl } from "../../sink/SinkControl.ts"

export type SinkState =
  | { readonly _tag: "Running" | "Paused" | "Never"; readonly processId: number; readonly heartbeatAt: number }
  | { readonly _tag: "Failed"; readonly reason: string; readonly heartbeatAt: number }
  | { readonly _tag: "Stopped" | "Died"; readonly heartbeatAt: number }
  /** It holds its lock and says nothing. */
  | { readonly _tag: "Silent"; readonly processId: number; readonly heartbeatAt: number }
  /** It says nothing, as nobody can write in the data folder. */
  | { readonly _tag: "Mute"; readonly processId: number; readonly reason: string; readonly heartbeatAt: number }

const never: SinkState = { _tag: "Never", processId: 0, heartbeatAt: 0 }

const reported = Effect.fnUntraced(function* (): Effect.fn.Return<
  SinkState,
  ControlUnavailable | LockUnusable,
  DataFolder | SinkControl
> {
  const { root } = yield* DataFolder
  const control = yield* SinkControl
  const found = yield* control.status
  if (Option.isNone(found)) return never
  const { state, heartbeatAt, processId, reason } = found.value
  if (state === "stopped") return { _tag: "Stopped", heartbeatAt }
  if (state === "failed") return { _tag: "Failed", reason: reason ?? "", heartbeatAt }
  switch (yield* livenessOf(found.value)) {
    case "alive":
      return { _tag: state === "paused" ? "Paused" : "Running", processId, heartbeatAt }
    case "silent": {
      const fault = probeFolder(root)
      // Who may only read cannot tell.
      const isMute = fault !== undefined && fault.code !== "EACCES"
      return isMute
        ? { _tag: "Mute", processId, reason: fault.reason, heartbeatAt }
        : { _tag: "Silent", processId, heartbeatAt }
    }
    case "dead":
      return { _tag: "Died", heartbeatAt }
  }
})

export const sinkState = (folder: DataFolder["Service"]) =>
  Effect.suspend(() =>
    existsSync(folder.control)
      ? Effect.provide(reported(), SinkControl.layer.pipe(Layer.provideMerge(Layer.succeed(DataFolder, folder))))
      : Effect.succeed(never)
  ).pipe(Effect.withSpan("SinkState"))
