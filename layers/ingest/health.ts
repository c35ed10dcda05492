/** A logging server as somebody sees it who asks how it is. */
import { Clock, Effect, Option, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import { Health, logHeader } from "../../services/Api.ts"
import { ServerUnavailable } from "../../services/LogClient.ts"
import type { Target } from "../../services/LogTarget.ts"
import { transportReason } from "../runtime/transportReason.ts"

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
  /** The log that it writes; null if it does not tell. */
  readonly logId: string | null
}

export const addressOf = (base: URL) => `${base.origin}${base.pathname.replace(/\/$/, "")}`

const unavailable = (label: string, reason: string, cause: unknown) =>
  new ServerUnavailable({ server: `at ${label}`, reason, cause })

const get = Effect.fnUntraced(function* (base: URL, label: string, path: string) {
  const client = yield* HttpClient.HttpClient
  return yield* client.get(`${addressOf(base)}${path}`).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (body) => ({ response, body }))),
    Effect.mapError((cause) => unavailable(label, transportReason(cause), cause)),
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.fail(unavailable(label, `no answer within ${timeLimit}`, "time-out"))
    })
  )
})

const alive = Effect.fnUntraced(function* (base: URL, label: string) {
  const { response, body } = yield* get(base, label, "/health")
  if (response.status !== 200 || Option.isNone(Schema.decodeUnknownOption(Healthy)(body))) {
    return yield* unavailable(label, "another program answers there, and not a logging server", response.status)
  }
  return response
})

/** Fails if no logging server answers at this address. */
export const health = Effect.fn("Http.health")(function* (base: URL, label = addressOf(base)) {
  const { headers } = yield* alive(base, label)
  const now = yield* Clock.currentTimeMillis
  const date = Date.parse(headers.date ?? "")
  const [ready, document] = yield* Effect.all([get(base, label, "/ready"), get(base, label, "/openapi.json")], {
    concurrency: 2
  })
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
    clockAhead: Number.isNaN(date) ? null : date - now,
    logId: headers[logHeader] ?? null
  }
  return found
})

/** What a server that writes this log says of another one; undefined if it is that one. */
export const otherLog = (found: string | null, wanted: string | null) =>
  wanted === null || found === wanted
    ? undefined
    : `it writes ${found === null ? "a log without an id" : `log ${found}`}, and not log ${wanted} of this data folder`

/** Fails unless the server at this address has the log that it must have. */
export const confirm = Effect.fn("Http.confirm")(function* ({ url, label, logId }: Target) {
  if (logId === null) return
  const { headers } = yield* alive(url, label)
  const other = otherLog(headers[logHeader] ?? null, logId)
  if (other !== undefined)
    return yield* unavailable(label, `${other}; set FLOE_TARGET to use it all the same`, "another log")
})
