/** Whether the sink that reports to a control database is alive: its lock shows it, and its reports, one every second. */
import { Clock, Effect, Option } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { isHeld } from "../runtime/ProcessLock.ts"
import { SinkControl, type SinkStatus } from "./SinkControl.ts"

/** With an older report the sink hangs, or the clock was set. */
const silenceMillis = 5_000
const heartbeatTimeout = "3 seconds"

type Liveness = "dead" | "silent" | "alive"

export const livenessOf = Effect.fnUntraced(function* ({ heartbeatAt }: SinkStatus) {
  const control = yield* SinkControl
  const { sinkLock } = yield* DataFolder
  if (!(yield* isHeld(sinkLock))) return "dead" satisfies Liveness
  if (Math.abs((yield* Clock.currentTimeMillis) - heartbeatAt) <= silenceMillis) return "alive" satisfies Liveness
  const next = Effect.gen(function* () {
    for (;;) {
      yield* Effect.sleep("100 millis")
      const status = yield* control.status
      if (Option.isSome(status) && status.value.heartbeatAt !== heartbeatAt) return
    }
  })
  const reported = yield* Effect.timeoutOption(next, heartbeatTimeout)
  return (Option.isSome(reported) ? "alive" : "silent") satisfies Liveness
})
