/** Trino's HTTP protocol: a statement is posted, its pages are fetched one after the other, or it is cancelled. */
import { Effect, Schedule, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { QueryFailed, QueryUnavailable } from "../../../services/Query.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { isNobodyThere, transportReason } from "../../runtime/transportReason.ts"
import { Page, parseExactly } from "./Page.ts"

/** Trino answers within a second or two, also while a statement runs; this is for one that hangs, or a dead connection. */
const answerLimit = "20 seconds"
const cancelLimit = "5 seconds"

/** 0.1, 0.2, … 1.6 s: 3 s in all. */
const postAgain = Schedule.max([Schedule.exponential("100 millis"), Schedule.recurs(5)])
/** A statement that has begun is worth more patience: half a minute, and not much more than one if every request hangs. */
const getAgain = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("3 seconds")]).pipe(
  Schedule.upTo({ duration: "30 seconds" }),
  monotonic
)

/** What the protocol lets a client try again; 429 is an overloaded gateway's. */
const temporary = [429, 502, 503, 504]

class NoPage extends Schema.TaggedError<NoPage>()("NoPage", {
  reason: Schema.String,
  again: Schema.Boolean,
  cause: Schema.Defect()
}) {}

const decodePage = Schema.decodeUnknownEffect(Page)

export interface Session {
  /** Without a slash at the end. */
  readonly server: string
  readonly user: string
  /** Trino's session properties by their names, such as iceberg.expire_snapshots_min_retention. */
  readonly properties?: Readonly<Record<string, string>> | undefined
}

const sessionOf = (properties: Readonly<Record<string, string>>) =>
  Object.entries(properties).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)

export const make = Effect.fnUntraced(function* ({ server, user, properties = {} }: Session) {
  const client = yield* HttpClient.HttpClient
  const elsewhere = "set FLOE_TRINO_URL to where it is"
  const session = sessionOf(properties)

  const headers = {
    "x-trino-user": user,
    "x-trino-source": "floe",
    "x-trino-catalog": "iceberg",
    "x-trino-schema": "default",
    "x-trino-time-zone": "UTC",
    // Without it, fractions of a second are cut to three digits.
    "x-trino-client-capabilities": "PARAMETRIC_DATETIME",
    ...(session.length === 0 ? {} : { "x-trino-session": session.join(",") })
  }

  const refused = (method: string, status: number) => {
    if (temporary.includes(status)) return `Trino at ${server} is overloaded or starting (${status}); try again later`
    if (method === "GET" && (status === 404 || status === 410)) {
      return `Trino at ${server} does not know the query any more: it was started again, or the rows were left unread for minutes; run the query again`
    }
    return `what answers at ${server} is not Trino (${status}); ${elsewhere}`
  }

  const answer = (request: HttpClientRequest.HttpClientRequest) =>
    client.execute(HttpClientRequest.setHeaders(request, headers)).pipe(
      Effect.flatMap((response) => Effect.map(response.text, (body) => ({ status: response.status, body }))),
      Effect.mapError(
        (cause) =>
          new NoPage({
            reason: `Trino at ${server} cannot be reached (${transportReason(cause)}); start it, or ${elsewhere}`,
            again: request.method === "GET" || !isNobodyThere(cause),
            cause
          })
      )
    )

  const page = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
    const { status, body } = yield* answer(request).pipe(
      Effect.timeoutOrElse({
        duration: answerLimit,
        orElse: () =>
          Effect.fail(
            new NoPage({
              reason: `Trino at ${server} does not answer within ${answerLimit}; look at its log, or ${elsewhere}`,
              again: request.method === "GET",
              cause: "time-out"
            })
          )
      })
    )
    if (status === 401 || status === 403) {
      return yield* new QueryFailed({
        reason: `Trino at ${server} does not let the user ${user} in (${status}): set FLOE_TRINO_USER to one that needs no password, which Floe has none of, or ${elsewhere}.`
      })
    }
    if (status !== 200) {
      return yield* new NoPage({
        reason: refused(request.method, status),
        again: temporary.includes(status),
        cause: status
      })
    }
    return yield* Effect.try({ try: () => parseExactly(body), catch: (cause) => cause }).pipe(
      Effect.flatMap(decodePage),
      Effect.mapError(
        (cause) => new NoPage({ reason: `what answers at ${server} is not Trino; ${elsewhere}`, again: false, cause })
      )
    )
  })

  const patiently = (request: HttpClientRequest.HttpClientRequest, schedule: typeof postAgain | typeof getAgain) =>
    page(request).pipe(
      Effect.retry({ schedule, while: (error) => error._tag === "NoPage" && error.again }),
      Effect.catchTag("NoPage", ({ reason, cause }) => Effect.fail(new QueryUnavailable({ reason, cause })))
    )

  return {
    /** Trino begins a statement only when its second page is fetched (tried), so posting it again does not run it twice. */
    post: (sql: string) =>
      patiently(
        HttpClientRequest.post(`${server}/v1/statement`).pipe(HttpClientRequest.bodyText(sql, "text/plain")),
        postAgain
      ),
    /** The same page can be fetched again until the next one is. */
    get: (nextUri: string) => patiently(HttpClientRequest.get(nextUri), getAgain),
    /** As well as it goes: a statement that nobody fetches is dropped by Trino after some minutes. */
    cancel: (nextUri: string) => Effect.ignore(Effect.timeout(answer(HttpClientRequest.delete(nextUri)), cancelLimit))
  }
})
