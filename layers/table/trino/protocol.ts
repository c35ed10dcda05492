/** Trino's HTTP protocol: posts a statement, fetches its pages one after the other, cancels it. */
import { Effect, Schedule, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { QueryFailed, QueryUnavailable } from "../../../services/Query.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { isNobodyThere, transportReason } from "../../runtime/transportReason.ts"
import { Page, parseExactly } from "./Page.ts"

/** Trino answers within one or two seconds even while a statement runs; this ends a hung request or a dead connection. */
const answerTimeout = "20 seconds"
const cancelTimeout = "5 seconds"

/** 0.1, 0.2, … 1.6 s: 3.1 s in total. */
const postRetries = Schedule.max([Schedule.exponential("100 millis"), Schedule.recurs(5)])
/** A running statement is retried longer: 30 seconds, or about a minute if every request hangs. */
const getRetries = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("3 seconds")]).pipe(
  Schedule.upTo({ duration: "30 seconds" }),
  monotonic
)

/** Statuses that the protocol allows a client to retry; 429 comes from an overloaded gateway. */
const retryableStatuses = [429, 502, 503, 504]

class PageUnavailable extends Schema.TaggedError<PageUnavailable>()("PageUnavailable", {
  reason: Schema.String,
  retryable: Schema.Boolean,
  cause: Schema.Defect()
}) {}

const decodePage = Schema.decodeUnknownEffect(Page)

export interface Session {
  /** Without a trailing slash. */
  readonly server: string
  readonly user: string
  /** Trino's session properties by name, for example iceberg.expire_snapshots_min_retention. */
  readonly properties?: Readonly<Record<string, string>> | undefined
}

const sessionOf = (properties: Readonly<Record<string, string>>) =>
  Object.entries(properties).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)

export const make = Effect.fnUntraced(function* ({ server, user, properties = {} }: Session) {
  const client = yield* HttpClient.HttpClient
  const elsewhere = "set FLOE_TRINO_URL to its address"
  const session = sessionOf(properties)

  const headers = {
    "x-trino-user": user,
    "x-trino-source": "floe",
    "x-trino-catalog": "iceberg",
    "x-trino-schema": "default",
    "x-trino-time-zone": "UTC",
    // Without it Trino cuts fractions of a second to three digits.
    "x-trino-client-capabilities": "PARAMETRIC_DATETIME",
    ...(session.length === 0 ? {} : { "x-trino-session": session.join(",") })
  }

  const statusReason = (method: string, status: number) => {
    if (retryableStatuses.includes(status))
      return `Trino at ${server} is overloaded or starting (${status}); try again later`
    if (method === "GET" && (status === 404 || status === 410)) {
      return `Trino at ${server} no longer knows the query: Trino was restarted, or the rows were not read for minutes; run the query again`
    }
    return `what answers at ${server} is not Trino (${status}); ${elsewhere}`
  }

  const answer = (request: HttpClientRequest.HttpClientRequest) =>
    client.execute(HttpClientRequest.setHeaders(request, headers)).pipe(
      Effect.flatMap((response) => Effect.map(response.text, (body) => ({ status: response.status, body }))),
      Effect.mapError(
        (cause) =>
          new PageUnavailable({
            reason: `Trino at ${server} cannot be reached (${transportReason(cause)}); start it, or ${elsewhere}`,
            retryable: request.method === "GET" || !isNobodyThere(cause),
            cause
          })
      )
    )

  const page = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest) {
    const { status, body } = yield* answer(request).pipe(
      Effect.timeoutOrElse({
        duration: answerTimeout,
        orElse: () =>
          Effect.fail(
            new PageUnavailable({
              reason: `Trino at ${server} did not answer within ${answerTimeout}; check its log, or ${elsewhere}`,
              retryable: request.method === "GET",
              cause: "time-out"
            })
          )
      })
    )
    if (status === 401 || status === 403) {
      return yield* QueryFailed.because(
        `Trino at ${server} rejected the user ${user} (${status}): set FLOE_TRINO_USER to a user that needs no password, as Floe sends none, or ${elsewhere}.`
      )
    }
    if (status !== 200) {
      return yield* new PageUnavailable({
        reason: statusReason(request.method, status),
        retryable: retryableStatuses.includes(status),
        cause: status
      })
    }
    return yield* Effect.try({ try: () => parseExactly(body), catch: (cause) => cause }).pipe(
      Effect.flatMap(decodePage),
      Effect.mapError(
        (cause) =>
          new PageUnavailable({
            reason: `what answers at ${server} is not Trino; ${elsewhere}`,
            retryable: false,
            cause
          })
      )
    )
  })

  const retrying = (request: HttpClientRequest.HttpClientRequest, schedule: typeof postRetries | typeof getRetries) =>
    page(request).pipe(
      Effect.retry({ schedule, while: (error) => error._tag === "PageUnavailable" && error.retryable }),
      Effect.catchTag("PageUnavailable", ({ reason, cause }) => Effect.fail(new QueryUnavailable({ reason, cause })))
    )

  return {
    /** Trino starts a statement only when its second page is fetched (tested), so a repeated post does not run it twice. */
    post: (sql: string) =>
      retrying(
        HttpClientRequest.post(`${server}/v1/statement`).pipe(HttpClientRequest.bodyText(sql, "text/plain")),
        postRetries
      ),
    /** A page can be fetched again until the next one is fetched. */
    get: (nextUri: string) => retrying(HttpClientRequest.get(nextUri), getRetries),
    /** Best effort: Trino drops a statement that nobody fetches after some minutes. */
    cancel: (nextUri: string) => Effect.ignore(Effect.timeout(answer(HttpClientRequest.delete(nextUri)), cancelTimeout))
  }
})
