/** `POST /events`: logs up to 10,000 readings, all or none. */
import { Effect } from "effect"
import type { EventsLogged } from "../../../services/Api.ts"
import type { PositionRun } from "../../../services/EventLog.ts"
import { plural } from "../../runtime/plural.ts"
import type * as Body from "./body.ts"
import { invalid, noHour, shown } from "./ErrorResponse.ts"
import type { Fibers } from "./Fibers.ts"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"
import { idempotencyOf, type Responses } from "./Responses.ts"
import { recordsOf } from "./records.ts"
import * as RequestBody from "./requestBody.ts"

export const unknownParameter = (query: string) =>
  invalid([{ field: shown(query.replace(/[=&].*$/s, "")), message: "is not a known parameter" }])

export const joined = (positions: ReadonlyArray<PositionRun>) => {
  const runs: Array<PositionRun> = []
  for (const run of positions) {
    const last = runs.at(-1)
    if (last !== undefined && last.partition === run.partition && last.offset + last.count === run.offset) {
      runs[runs.length - 1] = { ...last, count: last.count + run.count }
    } else runs.push(run)
  }
  return runs
}

export const make = (contexts: RequestContexts, responses: Responses, fibers: Fibers, bodies: Body.Bodies) => {
  const read = RequestBody.make(bodies)

  const logged = Effect.fn("HttpServer.events")(function* (context: RequestContext, query: string, held: Body.Held) {
    if (query !== "") return yield* Effect.fail(unknownParameter(query))
    const { format, text } = yield* read(context, held)
    const readings = yield* Effect.fromResult(recordsOf(text, format))
    const ts = responses.hour()
    if (ts === undefined) return yield* Effect.fail(noHour)
    const records = readings.map(({ city, temperature }) => ({ city, temperature, ts }))
    const idempotency = idempotencyOf(context.headers, () => [
      "POST",
      ...readings.map(({ city, temperature }) => [city, temperature])
    ])
    const appended = yield* responses.append({ records, idempotency })
    return { count: records.length, ...appended, ts: appended.ts ?? ts }
  })

  return (context: RequestContext, query: string) =>
    fibers.serve(
      context,
      bodies
        .holding((held) => logged(context, query, held))
        .pipe(
          Effect.matchCause({
            onFailure: (cause) => responses.failed(context, cause),
            onSuccess: ({ count, positions, ts, repeated }) => {
              const body: typeof EventsLogged.Type = {
                status: "success",
                message: `${plural(count, "event")} logged`,
                data: { count, ts, positions: joined(positions) }
              }
              contexts.respond(context, 200, responses.headersOf(repeated), JSON.stringify(body))
            }
          })
        )
    )
}
