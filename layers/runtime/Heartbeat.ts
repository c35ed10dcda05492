/** A file for health checks: its age is the time since the program last did its work. */
import { writeFile } from "node:fs/promises"
import { DateTime, Effect, Option } from "effect"
import { heartbeat } from "../../services/Settings.ts"

/** Writes the current time to the file FLOE_HEARTBEAT; does nothing if that is not set. */
export const make = Effect.gen(function* () {
  const file = yield* heartbeat
  if (Option.isNone(file)) return Effect.void
  return Effect.gen(function* () {
    const now = DateTime.formatIso(yield* DateTime.now)
    yield* Effect.tryPromise(() => writeFile(file.value, `${now}\n`))
  }).pipe(
    Effect.catch(({ cause }) =>
      Effect.logWarning(`FLOE_HEARTBEAT=${file.value} cannot be written, so the health check fails: ${String(cause)}`)
    )
  )
})
