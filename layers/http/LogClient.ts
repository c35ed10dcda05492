import { Effect, Layer, Option, Schema } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { LogClient, ReadingRefused, ServerUnavailable } from "../../services/LogClient.ts"
import { target } from "../../services/Settings.ts"
import type { WeatherReading } from "../../services/Weather.ts"
import { transportReason } from "./Transport.ts"

/** From connecting to the last byte of the answer; the server answers or gives up well before. */
const timeLimit = "10 seconds"

const Acknowledged = Schema.fromJsonString(Schema.Struct({ status: Schema.Literal("success") }))
const Explained = Schema.fromJsonString(Schema.Struct({ message: Schema.String }))

const isAcknowledged = (body: string) => Option.isSome(Schema.decodeUnknownOption(Acknowledged)(body))

/** Worth another try: an overloaded or restarting server, or the same key still in flight. */
const isTemporary = (status: number) => status === 408 || status === 409 || status === 429 || status >= 500

const explanation = (body: string) =>
  Schema.decodeUnknownEffect(Explained)(body).pipe(
    Effect.map(({ message }) => message),
    Effect.orElseSucceed(() => "it gave no reason")
  )

const judge = Effect.fnUntraced(function* (server: string, response: HttpClientResponse.HttpClientResponse) {
  const body = yield* response.text
  if (response.status === 200 && isAcknowledged(body)) return
  const temporary = isTemporary(response.status)
  if (!temporary && response.status >= 400) {
    return yield* new ReadingRefused({ status: response.status, reason: yield* explanation(body) })
  }
  const reason = temporary
    ? `it answered ${response.status} (${yield* explanation(body)})`
    : `its answer ${response.status} is not that of a logging server`
  return yield* new ServerUnavailable({ target: server, reason, cause: response.status })
})

/** The logging server at `base`; a path in it is kept as a prefix. */
export const at = (base: URL) =>
  Layer.effect(
    LogClient,
    Effect.gen(function* () {
      const client = yield* HttpClient.HttpClient
      const server = `${base.origin}${base.pathname.replace(/\/$/, "")}`
      const send = Effect.fn("LogClient.send")(function* (reading: WeatherReading, idempotencyKey: string) {
        const city = encodeURIComponent(reading.city)
        const temperature = encodeURIComponent(reading.temperature)
        yield* HttpClientRequest.get(`${server}/log?city=${city}&temperature=${temperature}`).pipe(
          HttpClientRequest.setHeader("idempotency-key", idempotencyKey),
          client.execute,
          Effect.flatMap((response) => judge(server, response)),
          Effect.catchTag("HttpClientError", (cause) =>
            Effect.fail(new ServerUnavailable({ target: server, reason: transportReason(cause), cause }))
          ),
          Effect.timeoutOrElse({
            duration: timeLimit,
            orElse: () =>
              Effect.fail(
                new ServerUnavailable({ target: server, reason: `no answer within ${timeLimit}`, cause: "time-out" })
              )
          })
        )
      })
      return LogClient.of({ send })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))

export const layer = Layer.unwrap(Effect.map(target, at))
