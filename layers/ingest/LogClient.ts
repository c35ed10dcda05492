import { Effect, Layer, Option, Schema } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import { EventsLogged, StreamEventsLogged, StreamFound } from "../../services/Api.ts"
import { LogClient, ReadingRejected, ServerUnavailable, StreamUnknown } from "../../services/LogClient.ts"
import { LogTarget } from "../../services/LogTarget.ts"
import type { WeatherReading } from "../../services/Weather.ts"
import { transportReason } from "../runtime/transportReason.ts"
import { addressOf, confirm } from "./health.ts"

/** For the whole request; the server answers or gives up well before. */
const timeLimit = "10 seconds"

const Acknowledged = Schema.fromJsonString(Schema.Struct({ status: Schema.Literal("success") }))
const AllAcknowledged = Schema.fromJsonString(EventsLogged)
const EventsAcknowledged = Schema.fromJsonString(StreamEventsLogged)
const Found = Schema.fromJsonString(StreamFound)
const Explained = Schema.fromJsonString(
  Schema.Struct({
    message: Schema.String,
    errors: Schema.optionalKey(Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String })))
  })
)

const isAcknowledged = (body: string) => Option.isSome(Schema.decodeUnknownOption(Acknowledged)(body))

const isTemporary = (status: number) => status === 408 || status === 409 || status === 429 || status >= 500

const explanation = (body: string) =>
  Option.getOrElse(Schema.decodeUnknownOption(Explained)(body), () => ({ message: "no reason given", errors: [] }))

const failure = (server: string, status: number, body: string) => {
  const { message, errors = [] } = explanation(body)
  const temporary = isTemporary(status)
  if (!temporary && status >= 400) return Effect.fail(new ReadingRejected({ status, reason: message, errors }))
  const reason = temporary
    ? `it answered ${status} (${message})`
    : `its response ${status} is not that of a logging server`
  return Effect.fail(new ServerUnavailable({ server, reason, cause: status }))
}

const streamPath = (name: string) => `/streams/${encodeURIComponent(name)}`

const acknowledged = Effect.fnUntraced(function* (server: string, response: HttpClientResponse.HttpClientResponse) {
  const body = yield* response.text
  if (response.status !== 200 || !isAcknowledged(body)) yield* failure(server, response.status, body)
})

const allAcknowledged = Effect.fnUntraced(function* (server: string, response: HttpClientResponse.HttpClientResponse) {
  const body = yield* response.text
  const logged = Schema.decodeUnknownOption(AllAcknowledged)(body)
  if (response.status !== 200 || Option.isNone(logged)) return yield* failure(server, response.status, body)
  const { positions, ts } = logged.value.data
  return { positions, ts, repeated: response.headers["floe-repeated"] === "true" }
})

const eventsAcknowledged = Effect.fnUntraced(function* (
  server: string,
  response: HttpClientResponse.HttpClientResponse
) {
  const body = yield* response.text
  const logged = Schema.decodeUnknownOption(EventsAcknowledged)(body)
  if (response.status !== 200 || Option.isNone(logged)) return yield* failure(server, response.status, body)
  return { positions: logged.value.data.positions, repeated: response.headers["floe-repeated"] === "true" }
})

const found = Effect.fnUntraced(function* (server: string, response: HttpClientResponse.HttpClientResponse) {
  const body = yield* response.text
  const stream = Schema.decodeUnknownOption(Found)(body)
  if (response.status === 404) return yield* new StreamUnknown({ reason: explanation(body).message })
  if (response.status !== 200 || Option.isNone(stream)) return yield* failure(server, response.status, body)
  return stream.value.data
})

const make = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const target = yield* LogTarget
  const execute = <A, E>(
    requestTo: (base: string) => HttpClientRequest.HttpClientRequest,
    key: string | undefined,
    decode: (
      server: string,
      response: HttpClientResponse.HttpClientResponse
    ) => Effect.Effect<A, E | HttpClientError.HttpClientError>
  ) =>
    Effect.flatMap(target.find, (current) => {
      const server = `at ${current.label}`
      const unkeyed = requestTo(addressOf(current.url))
      const request = key === undefined ? unkeyed : HttpClientRequest.setHeader(unkeyed, "idempotency-key", key)
      // Checked for each request: the address may belong to another server by now.
      return confirm(current).pipe(
        Effect.provideService(HttpClient.HttpClient, client),
        Effect.andThen(client.execute(request)),
        Effect.flatMap((response) => decode(server, response)),
        Effect.catchTag("HttpClientError", (cause) =>
          Effect.fail(new ServerUnavailable({ server, reason: transportReason(cause), cause }))
        ),
        Effect.timeoutOrElse({
          duration: timeLimit,
          orElse: () =>
            Effect.fail(new ServerUnavailable({ server, reason: `no answer within ${timeLimit}`, cause: "time-out" }))
        })
      )
    })
  const send = Effect.fn("LogClient.send")((reading: WeatherReading, key: string) => {
    const city = encodeURIComponent(reading.city)
    const temperature = encodeURIComponent(reading.temperature)
    return execute(
      (base) => HttpClientRequest.get(`${base}/log?city=${city}&temperature=${temperature}`),
      key,
      acknowledged
    )
  })
  const sendAll = Effect.fn("LogClient.sendAll")((readings: ReadonlyArray<WeatherReading>, key: string) => {
    const body = JSON.stringify(readings.map(({ city, temperature }) => ({ city, temperature })))
    const requestTo = (base: string) =>
      HttpClientRequest.bodyText(HttpClientRequest.post(`${base}/events`), body, "application/json")
    return execute(requestTo, key, allAcknowledged)
  })
  const sendEvents = Effect.fn("LogClient.sendEvents")((stream: string, events: ReadonlyArray<string>, key: string) => {
    const body = `[${events.join(",")}]`
    const requestTo = (base: string) =>
      HttpClientRequest.bodyText(
        HttpClientRequest.post(`${base}${streamPath(stream)}/events`),
        body,
        "application/json"
      )
    return execute(requestTo, key, eventsAcknowledged)
  })
  const describe = Effect.fn("LogClient.describe")((stream: string) =>
    execute((base) => HttpClientRequest.get(`${base}${streamPath(stream)}`), undefined, found)
  )
  return LogClient.of({ send, sendAll, sendEvents, describe })
})

/** For the current target at the time of each request. */
export const layer = Layer.effect(LogClient, make).pipe(Layer.provide(FetchHttpClient.layer))

/** For the server at this address, with any log. */
export const at = (url: URL) =>
  layer.pipe(
    Layer.provide(
      Layer.succeed(LogTarget, LogTarget.of({ find: Effect.succeed({ url, label: addressOf(url), logId: null }) }))
    )
  )
