/** The sink's state, from its last heartbeat and its lock. Creates nothing. */
import { existsSync } from "node:fs"
import { Effect, Layer, Option } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { weather } from "../../../services/TableReader.ts"
import type { LockUnusable } from "../../runtime/ProcessLock.ts"
import { probeFolder } from "../../runtime/probeFolder.ts"
import { livenessOf } from "../../sink/heartbeat.ts"
import { type ControlUnavailable, SinkControl } from "../../sink/SinkControl.ts"

export type SinkState =
  | { readonly _tag: "Running" | "Paused" | "Never"; readonly processId: number; readonly heartbeatAt: number }
  /** It runs, and cannot write or maintain weather's table. */
  | { readonly _tag: "Impaired"; readonly processId: number; readonly reason: string; readonly heartbeatAt: number }
  | { readonly _tag: "Failed"; readonly reason: string; readonly heartbeatAt: number }
  | { readonly _tag: "Stopped" | "Died"; readonly heartbeatAt: number }
  /** It holds its lock and sends no heartbeat. */
  | { readonly _tag: "Silent"; readonly processId: number; readonly heartbeatAt: number }
  /** It cannot send one, because the data folder cannot be written. */
  | { readonly _tag: "Mute"; readonly processId: number; readonly reason: string; readonly heartbeatAt: number }

const never: SinkState = { _tag: "Never", processId: 0, heartbeatAt: 0 }

const reported = Effect.fnUntraced(function* (): Effect.fn.Return<
  SinkState,
  ControlUnavailable | LockUnusable,
  DataFolder | SinkControl
> {
  const { root } = yield* DataFolder
  const control = yield* SinkControl
  const status = yield* control.status
  if (Option.isNone(status)) return never
  const { state, heartbeatAt, processId, reason } = status.value
  if (state === "stopped") return { _tag: "Stopped", heartbeatAt }
  if (state === "failed") return { _tag: "Failed", reason: reason ?? "", heartbeatAt }
  switch (yield* livenessOf(status.value)) {
    case "alive": {
      const failure = (yield* control.failures).find(({ stream }) => stream === weather)
      if (failure !== undefined) return { _tag: "Impaired", processId, reason: failure.reason, heartbeatAt }
      return { _tag: state === "paused" ? "Paused" : "Running", processId, heartbeatAt }
    }
    case "silent": {
      const fault = probeFolder(root)
      // A user who may only read cannot know.
      const isMute = fault !== undefined && fault.code !== "EACCES"
      return isMute
        ? { _tag: "Mute", processId, reason: fault.reason, heartbeatAt }
        : { _tag: "Silent", processId, heartbeatAt }
    }
    case "dead":
      return { _tag: "Died", heartbeatAt }
  }
})

/** Without the file through which the sink is controlled, it has never run. */
export const sinkState = Effect.gen(function* () {
  const { controlDatabase } = yield* DataFolder
  return existsSync(controlDatabase) ? yield* Effect.provide(reported(), Layer.fresh(SinkControl.layer)) : never
}).pipe(Effect.withSpan("sinkState"))
