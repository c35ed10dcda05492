/** `GET /log`: the path that runs for every event. */
import { Effect, Result } from "effect"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { type ErrorResponse, invalid, noHour } from "./ErrorResponse.ts"
import type { Fibers } from "./Fibers.ts"
import { readingOf } from "./queryString.ts"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"
import { rejectKey } from "./RequestHeaders.ts"
import { idempotencyOf, type Responses } from "./Responses.ts"

const noBody = invalid([{ field: "body", message: "is not allowed with GET; use POST /events" }])

export const make = (topic: string, exchanges: RequestContexts, answers: Responses, fibers: Fibers) => {
  return (exchange: RequestContext, query: string) => {
    const { head } = exchange
    const refuse = (refusal: ErrorResponse) => exchanges.refuse(exchange, refusal)
    const decoded = readingOf(query)
    if (Result.isFailure(decoded)) return refuse(decoded.failure)
    const badKey = rejectKey(head)
    if (badKey !== undefined) return refuse(badKey)
    if (head.length !== 0) return refuse(noBody)
    const ts = answers.hour()
    if (ts === undefined) return refuse(noHour)
    const { city, temperature } = decoded.success
    const record: WeatherRecord = { city, temperature, ts }
    const idempotency = idempotencyOf(head, () => ["GET", city, temperature])
    const appending = Effect.matchCause(answers.append({ records: [record], idempotency }), {
      onFailure: (cause) => answers.failed(exchange, cause),
      onSuccess: ({ positions: [at], ts, repeated }) => {
        const headers = answers.headers(repeated)
        if (at !== undefined) headers.push("Floe-Position", `${topic}/${at.partition}/${at.offset}`)
        const data = JSON.stringify({ city, temperature, ts })
        const body = `{"status":"success","message":"Weather data logged","data":${data}}`
        exchanges.answer(exchange, 200, headers, body)
      }
    })
    fibers.answer(exchange, appending)
  }
}
