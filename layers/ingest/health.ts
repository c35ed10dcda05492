/** Checks the health of a logging server. */
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
  /** Why the server accepts no events; null if it is ready. */
  readonly notReady: string | null
  /** How far its clock is ahead, in milliseconds, to within a second; null if unknown. */
  readonly clockAhead: number | null
  /** The id of the log that it writes; null if it reports none. */
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
    return yield* unavailable(label, "another program answers there, not a logging server", response.status)
  }
  return response
})

/** The health of the server at this address; fails if no logging server answers. */
export const health = Effect.fn("health")(function* (base: URL, label = addressOf(base)) {
  const { headers } = yield* alive(base, label)
  const now = yield* Clock.currentTimeMillis
  const date = Date.parse(headers.date ?? "")
  const [ready, document] = yield* Effect.all([get(base, label, "/ready"), get(base, label, "/openapi.json")], {
    concurrency: 2
  })
  const described = Schema.decodeUnknownOption(Described)(document.body)
  const explained = Schema.decodeUnknownOption(Explained)(ready.body)
  return {
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
  } satisfies ServerHealth
})

/** Describes a server that writes another log than the wanted one; undefined if it is the wanted one. */
export const otherLog = (actual: string | null, wanted: string | null) =>
  wanted === null || actual === wanted
    ? undefined
    : `it writes ${actual === null ? "a log without an id" : `log ${actual}`}, not log ${wanted} of this data folder`

/** Fails unless the server at this address writes the log that the target requires. */
export const confirm = Effect.fn("confirm")(function* ({ url, label, logId }: Target) {
  if (logId === null) return
  const { headers } = yield* alive(url, label)
  const other = otherLog(headers[logHeader] ?? null, logId)
  if (other !== undefined) return yield* unavailable(label, `${other}; set FLOE_TARGET to use it anyway`, "another log")
})
