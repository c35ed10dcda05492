/** Health, readiness, the streams, the OpenAPI document and the documentation page. */
import { Cause, Clock, Effect, Layer, Scope } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiSwagger from "effect/http-api/HttpApiSwagger"
import { type Health, logHeader, type Readiness, type StreamFound, type StreamsFound } from "../../../services/Api.ts"
import { EventLog, type LogUnavailable } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { hasHour } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import { documentedBy, documentOf } from "./document.ts"
import {
  bodyOf,
  defect,
  draining,
  type ErrorResponse,
  errorResponse,
  fromLog,
  methodNotAllowed,
  noHour,
  notFound
} from "./ErrorResponse.ts"
import type { OpenStreams } from "./OpenStreams.ts"
import type { RequestContexts } from "./RequestContext.ts"

const silent = errorResponse(503, "The event log did not report in time whether it accepts events.", [], {
  "Retry-After": "1"
})

type Headers = Record<string, string>

const json = (body: unknown, headers: Headers = {}) =>
  HttpServerResponse.text(JSON.stringify(body), {
    contentType: "application/json",
    headers: { "cache-control": "no-store", ...headers }
  })

const rejected = (error: ErrorResponse, headers: Headers = {}) =>
  HttpServerResponse.text(bodyOf(error), {
    status: error.status,
    contentType: "application/json",
    headers: { "cache-control": "no-store", ...error.headers, ...headers }
  })

const methods = ["GET", "HEAD"]
const streamPath = /^\/streams\/([^/]+)$/

const contentPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export const make = Effect.fnUntraced(function* (contexts: RequestContexts, streams: OpenStreams) {
  const log = yield* EventLog
  const identity: Headers = log.logId === null ? {} : { [logHeader]: log.logId }

  const ready = Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void, ErrorResponse | LogUnavailable> => {
    if (contexts.draining) return Effect.fail(draining)
    return hasHour(now) ? log.ready : Effect.fail(noHour)
  }).pipe(
    Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.fail(silent) }),
    Effect.match({
      onFailure: (error) => rejected("_tag" in error ? fromLog(error) : error, identity),
      onSuccess: () => json({ status: "ready" } satisfies typeof Readiness.Type, identity)
    })
  )

  const system = yield* HttpRouter.toHttpEffect(
    Layer.mergeAll(
      HttpRouter.add("GET", "/health", json({ status: "healthy" } satisfies typeof Health.Type, identity)),
      HttpRouter.add("GET", "/ready", ready)
    )
  )

  /** The document and its page; made again when the streams have changed. */
  const made = Effect.fnUntraced(function* () {
    const document = documentOf(streams.all().map(({ applied }) => applied))
    const text = HttpServerResponse.text(JSON.stringify(document), { contentType: "application/json" })
    return yield* HttpRouter.toHttpEffect(
      Layer.mergeAll(HttpRouter.add("GET", "/openapi.json", text), HttpApiSwagger.layer(documentedBy(document)))
    )
  })
  const scope = yield* Effect.scope
  let documented = { changes: streams.changes(), page: yield* made() }
  const documentation = Effect.gen(function* () {
    yield* streams.fresh
    const changes = streams.changes()
    if (documented.changes !== changes) {
      documented = { changes, page: yield* Scope.provide(made(), scope) }
    }
    return yield* documented.page
  })

  const described = ({ definition, version }: AppliedStream) => {
    const events = log.count?.(definition.name)
    return { ...definition, version, ...(events === undefined ? {} : { events }) }
  }
  const list = Effect.map(streams.fresh, () => {
    const all = streams.all().map(({ applied }) => described(applied))
    const body: typeof StreamsFound.Type = { status: "success", message: plural(all.length, "stream"), data: all }
    return json(body)
  })
  const describe = (name: string) =>
    Effect.map(streams.fresh, () => {
      const stream = streams.get(name)
      if (stream === undefined) return rejected(streams.missing(name))
      const { applied } = stream
      const message = `The stream ${name}, version ${applied.version}`
      return json({ status: "success", message, data: described(applied) } satisfies typeof StreamFound.Type)
    })

  /** Events that are sent to the stream instead of to its events. */
  const posted = (name: string) =>
    Effect.map(streams.fresh, () => {
      if (streams.get(name) === undefined) return rejected(streams.missing(name))
      const hint = `, and send events to /streams/${name}/events`
      return rejected(methodNotAllowed("POST", methods.join(", "), hint))
    })

  const handlerOf = (path: string) => {
    if (path === "/openapi.json" || path === "/docs") return documentation
    if (path === "/health" || path === "/ready") return system
    if (path === "/streams") return list
    const [, name] = streamPath.exec(path) ?? []
    return name === undefined ? undefined : describe(name)
  }

  // The router alone would also match other cases and extra slashes.
  const routed = Effect.flatMap(HttpServerRequest, ({ method, url }) => {
    const handler = handlerOf(url.split("?", 1)[0] ?? "")
    if (handler === undefined) return Effect.succeed(rejected(notFound))
    if (methods.includes(method)) return handler
    const [, name] = streamPath.exec(url.split("?", 1)[0] ?? "") ?? []
    if (method === "POST" && name !== undefined) return posted(name)
    return Effect.succeed(rejected(methodNotAllowed(method, methods.join(", "))))
  })

  return routed.pipe(
    Effect.map((response) =>
      response.headers["content-type"]?.startsWith("text/html") === true
        ? HttpServerResponse.setHeader(response, "content-security-policy", contentPolicy)
        : response
    ),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.as(Effect.logError("A request failed", cause), rejected(defect))
    )
  )
})
