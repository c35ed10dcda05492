/** Health, readiness, the OpenAPI document and the documentation page, on Effect's router. */
import { Cause, Clock, Effect, Layer } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiSwagger from "effect/http-api/HttpApiSwagger"
import * as OpenApi from "effect/http-api/OpenApi"
import { Api, type Health, logHeader, type Readiness } from "../../../services/Api.ts"
import { EventLog, type LogUnavailable } from "../../../services/EventLog.ts"
import { hasHour } from "../../../services/Weather.ts"
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

/** The router alone would also match other cases and extra slashes. */
const paths = ["/health", "/ready", "/openapi.json", "/docs"]
const methods = ["GET", "HEAD"]

const contentPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export const make = Effect.fnUntraced(function* (contexts: RequestContexts) {
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
  const document = HttpServerResponse.text(JSON.stringify(OpenApi.fromApi(Api)), { contentType: "application/json" })

  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/health", json({ status: "healthy" } satisfies typeof Health.Type, identity)),
    HttpRouter.add("GET", "/ready", ready),
    HttpRouter.add("GET", "/openapi.json", document),
    HttpApiSwagger.layer(Api)
  )
  const router = yield* HttpRouter.toHttpEffect(routes)

  const routed = Effect.flatMap(HttpServerRequest, ({ method, url }) => {
    if (!paths.includes(url.split("?", 1)[0] ?? "")) return Effect.succeed(rejected(notFound))
    if (!methods.includes(method)) return Effect.succeed(rejected(methodNotAllowed(method, methods.join(", "))))
    return router
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
