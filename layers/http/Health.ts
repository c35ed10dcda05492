/** A logging server as somebody sees it who asks how it is. */
import { Clock, Effect, Option, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import { Health } from "../../services/Api.ts"
import { ServerUnavailable } from "../../services/LogClient.ts"
import { transportReason } from "./Transport.ts"

const timeLimit = "3 seconds"

const Healthy = Schema.fromJsonString(Health)
const Described = Schema.fromJsonString(Schema.Struct({ info: Schema.Struct({ version: Schema.String }) }))
const Explained = Schema.fromJsonString(Schema.Struct({ message: Schema.String }))

interface ServerHealth {
  readonly version: string | null
  /** Why it takes no events now; null if it does. */
  readonly notReady: string | null
  /** How far its clock is ahead of this one, in milliseconds, give or take a second; null if it does not tell. */
  readonly clockAhead: number | null
}

export const addressOf = (base: URL) => `${base.origin}${base.pathname.replace(/\/$/, "")}`

/** Fails if no logging server answers at this address. */
export const health = Effect.fn("Http.health")(function* (base: URL) {
  const client = yield* HttpClient.HttpClient
  const target = addressOf(base)
  const unavailable = (reason: string, cause: unknown) => new ServerUnavailable({ target, reason, cause })
  const get = (path: string) =>
    client.get(`${target}${path}`).pipe(
      Effect.flatMap((response) => Effect.map(response.text, (body) => ({ response, body }))),
      Effect.mapError((cause) => unavailable(transportReason(cause), cause)),
      Effect.timeoutOrElse({
        duration: timeLimit,
        orElse: () => Effect.fail(unavailable(`no answer within ${timeLimit}`, "time-out"))
      })
    )
  const { response, body } = yield* get("/health")
  if (response.status !== 200 || Option.isNone(Schema.decodeUnknownOption(Healthy)(body))) {
    return yield* unavailable("another program answers there, and not a logging server", response.status)
  }
  const now = yield* Clock.currentTimeMillis
  const date = Date.parse(response.headers.date ?? "")
  const [ready, document] = yield* Effect.all([get("/ready"), get("/openapi.json")], { concurrency: 2 })
  const described = Schema.decodeUnknownOption(Described)(document.body)
  const explained = Schema.decodeUnknownOption(Explained)(ready.body)
  const found: ServerHealth = {
    version: Option.getOrNull(Option.map(described, ({ info }) => info.version)),
    notReady:
      ready.response.status === 200
        ? null
        : Option.match(explained, {
            onNone: () => `it answers ${ready.response.status}`,
            onSome: (_) => _.message
          }),
    clockAhead: Number.isNaN(date) ? null : date - now
  }
  return found
})
