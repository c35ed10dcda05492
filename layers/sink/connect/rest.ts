/** Kafka Connect's REST API: a request, tried again while the workers rebalance, and its answer. */
import { Effect, Option, Schedule, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { ConnectRefused, ConnectUnavailable } from "../../../services/Connector.ts"
import { transportReason } from "../../runtime/transportReason.ts"

/** Connect itself gives up on a request after 90 seconds, such as when Kafka is away. */
const answerLimit = "25 seconds"

/** A rebalance takes some seconds: half a minute in all. */
const rebalance = Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(30)])

/** Mostly 409, and for some requests 500. */
const isRebalancing = (error: ConnectUnavailable | ConnectRefused) =>
  error._tag === "ConnectRefused" && (error.status === 409 || (error.status === 500 && /rebalanc/i.test(error.reason)))

const Refusal = Schema.fromJsonString(Schema.Struct({ error_code: Schema.Int, message: Schema.String }))
const refusalOf = Schema.decodeUnknownOption(Refusal)

interface Answer {
  readonly status: number
  readonly body: string
}

export const make = Effect.fnUntraced(function* (server: string) {
  const client = yield* HttpClient.HttpClient
  const elsewhere = "set FLOE_CONNECT_URL to where it is"

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
        duration: answerLimit,
        orElse: () =>
          Effect.fail(
            unavailable(
              operation,
              `${server} does not answer within ${answerLimit}; look at its log, and whether its Kafka runs, or ${elsewhere}`,
              "time-out"
            )
          )
      })
    )
    if (status < 400) return { status, body }
    if (status === 401 || status === 403) {
      const reason = `${server} does not let Floe in, which has no password for it; let it in without one, or ${elsewhere}.`
      return yield* new ConnectRefused({ operation, status, reason })
    }
    const refusal = refusalOf(body)
    // While it starts, everything is an HTML page of status 404 (tried).
    if (Option.isNone(refusal)) {
      const reason = `what answers at ${server} is still starting or not Kafka Connect (${status}); try again, or ${elsewhere}`
      return yield* unavailable(operation, reason, status)
    }
    const { message } = refusal.value
    if (status === 503) {
      return yield* unavailable(operation, `it answers ${status} (${message}); try again`, status)
    }
    return yield* new ConnectRefused({ operation, status, reason: message })
  })

  /** A request to `path`, and the answer if it is a success. */
  const send = (operation: string, request: HttpClientRequest.HttpClientRequest) =>
    once(operation, HttpClientRequest.prependUrl(request, server)).pipe(
      Effect.retry({ schedule: rebalance, while: isRebalancing }),
      Effect.catchIf(isRebalancing, (error) =>
        Effect.fail(unavailable(operation, "its workers keep rebalancing; look at its log and try again", error))
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
