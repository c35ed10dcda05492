/** The server of this data folder, unless FLOE_TARGET names another. */
import { Effect, Layer, Option } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import { ServerUnavailable } from "../../services/LogClient.ts"
import { LogTarget } from "../../services/LogTarget.ts"
import { defaultTarget } from "../../services/Settings.ts"
import { isHeld } from "../runtime/ProcessLock.ts"
import { explicit, from } from "./LogTarget.ts"
import * as ServerAddress from "./ServerAddress.ts"

export const make = Effect.gen(function* () {
  const folder = yield* DataFolder
  const log = yield* EventLogReader
  const named = yield* explicit

  const unavailable = (reason: string, cause: unknown) =>
    new ServerUnavailable({ server: `of the data folder ${folder.root}`, reason, cause })

  const ofFolder = Effect.gen(function* () {
    const running = yield* isHeld(folder.serverLock).pipe(
      Effect.mapError((error) => unavailable(error.message.replace(/\.$/, ""), error))
    )
    const written = ServerAddress.read(folder.serverAddress)
    if (!running) {
      const last = Option.match(written, {
        onNone: () => "",
        onSome: ({ processId, url }) => ` (the last one, process ${processId} at ${url.origin}, was killed)`
      })
      return yield* unavailable(`none is running${last}; start it with npm start, or set FLOE_TARGET`, "not running")
    }
    if (Option.isSome(written)) {
      return from(written.value.url, `from ${folder.serverAddress}`, written.value.logId)
    }
    const { logId } = yield* Effect.mapError(log.bounds, (error) => unavailable(error.message, error))
    return from(defaultTarget, "the default", logId)
  })

  return LogTarget.of({ find: Option.match(named, { onNone: () => ofFolder, onSome: Effect.succeed }) })
})

export const layer = Layer.effect(LogTarget, make)
