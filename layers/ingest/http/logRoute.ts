/** `GET /log`, the path that runs for every event. */
import { Effect, Result } from "effect"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { type ErrorResponse, invalid, noHour } from "./ErrorResponse.ts"
import type { Fibers } from "./Fibers.ts"
import { readingOf } from "./queryString.ts"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"
import { rejectKey } from "./RequestHeaders.ts"
import { idempotencyOf, type Responses } from "./Responses.ts"

const noBody = invalid([{ field: "body", message: "is not allowed with GET; use POST /events" }])

export const make = (topic: string, contexts: RequestContexts, responses: Responses, fibers: Fibers) => {
  return (context: RequestContext, query: string) => {
    const { headers } = context
    const reject = (error: ErrorResponse) => contexts.reject(context, error)
    const decoded = readingOf(query)
    if (Result.isFailure(decoded)) return reject(decoded.failure)
    const badKey = rejectKey(headers)
    if (badKey !== undefined) return reject(badKey)
    if (headers.length !== 0) return reject(noBody)
    const ts = responses.hour()
    if (ts === undefined) return reject(noHour)
    const { city, temperature } = decoded.success
    const record: WeatherRecord = { city, temperature, ts }
    const idempotency = idempotencyOf(headers, () => ["GET", city, temperature])
    const appending = Effect.matchCause(responses.append({ records: [record], idempotency }), {
      onFailure: (cause) => responses.failed(context, cause),
      onSuccess: ({ positions: [at], ts, repeated }) => {
        const sent = responses.headersOf(repeated)
        if (at !== undefined) sent.push("Floe-Position", `${topic}/${at.partition}/${at.offset}`)
        const data = JSON.stringify({ city, temperature, ts })
        const body = `{"status":"success","message":"Weather data logged","data":${data}}`
        contexts.respond(context, 200, sent, body)
      }
    })
    fibers.serve(context, appending)
  }
}
