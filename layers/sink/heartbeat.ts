/** Whether the sink that reports to a control table lives. Its lock says so, and its reports, which come every second. */
import { Clock, Effect, Option } from "effect"
import type { SinkControl, SinkStatus } from "../../services/SinkControl.ts"
import { isHeld } from "../runtime/ProcessLock.ts"

/** Reports as old as this may be of a sink that hangs, or the clock was set. */
const silenceMillis = 5_000
/** For the next report of a sink that does not hang. */
const heartbeatTimeout = "3 seconds"

type Liveness = "dead" | "silent" | "alive"

export const livenessOf = Effect.fnUntraced(function* (
  control: SinkControl["Service"],
  sinkLock: string,
  { heartbeatAt }: SinkStatus
) {
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
