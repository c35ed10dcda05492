/** What the log said of an append, as an answer. */
import { hash } from "node:crypto"
import { Cause, Clock, Effect, Option } from "effect"
import { EventLog, type IdempotencyKey } from "../../../services/EventLog.ts"
import { hasHour, hourOf } from "../../../services/Weather.ts"
import { defect, type ErrorResponse, fromLog } from "./ErrorResponse.ts"
import type { Fibers } from "./Fibers.ts"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"
import type { RequestHeaders } from "./RequestHeaders.ts"

type LogFailure = Effect.Error<ReturnType<EventLog["Service"]["append"]>>

/** The digest stands for the method and the readings, however they were written. */
export const idempotencyOf = (head: RequestHeaders, parts: () => ReadonlyArray<unknown>): IdempotencyKey | undefined =>
  head.key === undefined ? undefined : { key: head.key, digest: hash("sha256", JSON.stringify(parts()), "base64url") }

/** The current hour, formatted once an hour; undefined while the clock shows a time that has none. */
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

export const make = Effect.fnUntraced(function* (exchanges: RequestContexts, fibers: Fibers) {
  const log = yield* EventLog
  const hour = hours(yield* Clock.Clock)

  const headers = (repeated: boolean) => {
    const headers = ["Content-Type", "application/json", "Cache-Control", "no-store"]
    if (repeated) headers.push("Floe-Repeated", "true")
    return headers
  }

  /** Interruption says nothing of what became of the append: then the connection is cut, without an answer. */
  const failed = (exchange: RequestContext, cause: Cause.Cause<LogFailure | ErrorResponse>) => {
    const error = Cause.findErrorOption(cause)
    if (Option.isSome(error)) {
      const refusal = "_tag" in error.value ? fromLog(error.value) : error.value
      return exchanges.refuse(exchange, refusal)
    }
    if (Cause.hasInterruptsOnly(cause)) return exchanges.abandon(exchange)
    fibers.run(Effect.logError("A request failed", cause))
    exchanges.refuse(exchange, defect)
  }

  return { append: log.append, hour, headers, failed }
})
export type Responses = Effect.Success<ReturnType<typeof make>>
