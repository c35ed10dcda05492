/** The outcome of an append as a response. */
import { hash } from "node:crypto"
import { Cause, Clock, Effect, Option } from "effect"
import { EventLog, type IdempotencyKey } from "../../../services/EventLog.ts"
import { hasHour, hourOf } from "../../../services/Weather.ts"
import { defect, type ErrorResponse, fromLog } from "./ErrorResponse.ts"
import type { Fibers } from "./Fibers.ts"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"
import type { RequestHeaders } from "./RequestHeaders.ts"

type LogFailure = Parameters<typeof fromLog>[0]

/** The digest covers the method and the decoded readings, so that formatting does not matter. */
export const idempotencyOf = (
  headers: RequestHeaders,
  parts: () => ReadonlyArray<unknown>
): IdempotencyKey | undefined =>
  headers.key === undefined
    ? undefined
    : { key: headers.key, digest: hash("sha256", JSON.stringify(parts()), "base64url") }

const hours = (clock: Clock.Clock) => {
  let hour = Number.NaN
  let text: string | undefined
  return () => {
    const now = clock.currentTimeMillisUnsafe()
    const current = Math.floor(now / 3_600_000)
    if (current !== hour) {
      hour = current
      text = hasHour(now) ? hourOf(now) : undefined
    }
    return text
  }
}

export const make = Effect.fnUntraced(function* (contexts: RequestContexts, fibers: Fibers) {
  const log = yield* EventLog
  const hour = hours(yield* Clock.Clock)

  const headersOf = (repeated: boolean) => {
    const headers = ["Content-Type", "application/json", "Cache-Control", "no-store"]
    if (repeated) headers.push("Floe-Repeated", "true")
    return headers
  }

  /** An interruption leaves the outcome of the append unknown, so the connection closes without a response. */
  const failed = (context: RequestContext, cause: Cause.Cause<LogFailure | ErrorResponse>) => {
    const error = Cause.findErrorOption(cause)
    if (Option.isSome(error)) {
      return contexts.reject(context, "_tag" in error.value ? fromLog(error.value) : error.value)
    }
    if (Cause.hasInterruptsOnly(cause)) return contexts.abandon(context)
    fibers.run(Effect.logError("A request failed", cause))
    contexts.reject(context, defect)
  }

  return { append: log.append, hour, headersOf, failed }
})
export type Responses = Effect.Success<ReturnType<typeof make>>
