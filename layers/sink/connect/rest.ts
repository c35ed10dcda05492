/** Sends requests to Kafka Connect's REST API, with retries while its workers rebalance. */
import { Effect, Option, Schedule, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { ConnectRejected, ConnectUnavailable } from "../../../services/Connector.ts"
import { transportReason } from "../../runtime/transportReason.ts"

/** Kafka Connect itself gives up after 90 seconds, for example when Kafka is down. */
const answerTimeout = "25 seconds"

/** A rebalance takes some seconds; this waits half a minute. */
const rebalanceRetries = Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(30)])

/** The status is 409, and 500 for some requests. */
const isRebalancing = (error: ConnectUnavailable | ConnectRejected) =>
  error._tag === "ConnectRejected" && (error.status === 409 || (error.status === 500 && /rebalanc/i.test(error.reason)))

const ErrorBody = Schema.fromJsonString(Schema.Struct({ error_code: Schema.Int, message: Schema.String }))
const decodeError = Schema.decodeUnknownOption(ErrorBody)

interface Answer {
  readonly status: number
  readonly body: string
}

export const make = Effect.fnUntraced(function* (server: string) {
  const client = yield* HttpClient.HttpClient
  const elsewhere = "set FLOE_CONNECT_URL to its address"

  const unavailable = (operation: string, reason: string, cause: unknown) =>
    new ConnectUnavailable({ operation, reason, cause })

  const once = Effect.fnUntraced(function* (operation: string, request: HttpClientRequest.HttpClientRequest) {
    const { status, body }: Answer = yield* client.execute(HttpClientRequest.acceptJson(request)).pipe(
      Effect.flatMap((response) => Effect.map(response.text, (body) => ({ status: response.status, body }))),
      Effect.mapError((cause) =>
        unavailable(
          operation,
          `nothing answers at ${server} (${transportReason(cause)}); start it, or ${elsewhere}`,
          cause
        )
      ),
      Effect.timeoutOrElse({
        duration: answerTimeout,
        orElse: () =>
          Effect.fail(
            unavailable(
              operation,
              `${server} did not answer within ${answerTimeout}; check its log and whether its Kafka runs, or ${elsewhere}`,
              "time-out"
            )
          )
      })
    )
    if (status < 400) return { status, body }
    if (status === 401 || status === 403) {
      const reason = `${server} requires a password, and Floe sends none; allow access without one, or ${elsewhere}.`
      return yield* new ConnectRejected({ operation, status, reason })
    }
    const error = decodeError(body)
    // While Kafka Connect starts, it answers everything with an HTML page and status 404 (tested).
    if (Option.isNone(error)) {
      const reason = `what answers at ${server} is still starting or not Kafka Connect (${status}); try again, or ${elsewhere}`
      return yield* unavailable(operation, reason, status)
    }
    const { message } = error.value
    if (status === 503) {
      return yield* unavailable(operation, `it answered ${status} (${message}); try again`, status)
    }
    return yield* new ConnectRejected({ operation, status, reason: message })
  })

  const send = (operation: string, request: HttpClientRequest.HttpClientRequest) =>
    once(operation, HttpClientRequest.prependUrl(request, server)).pipe(
      Effect.retry({ schedule: rebalanceRetries, while: isRebalancing }),
      Effect.catchIf(isRebalancing, (error) =>
        Effect.fail(unavailable(operation, "its workers keep rebalancing; check its log and try again", error))
      )
    )

  const read = Effect.fnUntraced(function* <A>(
    operation: string,
    schema: Schema.Codec<A, string>,
    request: HttpClientRequest.HttpClientRequest
  ) {
    const { status, body } = yield* send(operation, request)
    return yield* Schema.decodeUnknownEffect(schema)(body).pipe(
      Effect.mapError((cause) =>
        unavailable(operation, `what answers at ${server} is not Kafka Connect (${status}); ${elsewhere}`, cause)
      )
    )
  })

  return { send, read }
})
