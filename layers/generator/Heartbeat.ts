/** A file whose age says how long ago the generator's last whole tick was acknowledged: what a health check looks at. */
import { writeFile } from "node:fs/promises"
import { DateTime, Effect, Option } from "effect"
import { heartbeat } from "../../services/Settings.ts"

/** Writes the time into the file, if there is to be one. */
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
