/** Everything but the two ways of logging: state, description and documentation, on Effect's router. */
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

const silent = errorResponse(503, "The event log did not say in time whether it takes events.", [], {
  "Retry-After": "1"
})

type Headers = Record<string, string>

const answer = (body: unknown, headers: Headers = {}) =>
  HttpServerResponse.text(JSON.stringify(body), {
    contentType: "application/json",
    headers: { "cache-control": "no-store", ...headers }
  })

const refuse = (refusal: ErrorResponse, headers: Headers = {}) =>
  HttpServerResponse.text(bodyOf(refusal), {
    status: refusal.status,
    contentType: "application/json",
    headers: { "cache-control": "no-store", ...refusal.headers, ...headers }
  })

/** The router would also take other cases, and more slashes, than the document names. */
const paths = ["/health", "/ready", "/openapi.json", "/docs"]
const methods = ["GET", "HEAD"]

/** The page runs one script of its own, and nothing in it may come from elsewhere. */
const contentPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export const make = Effect.fnUntraced(function* (exchanges: RequestContexts) {
  const log = yield* EventLog
  const identity: Headers = log.logId === null ? {} : { [logHeader]: log.logId }

  const ready = Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void, ErrorResponse | LogUnavailable> => {
    if (exchanges.draining) return Effect.fail(draining)
    return hasHour(now) ? log.ready : Effect.fail(noHour)
  }).pipe(
    Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.fail(silent) }),
    Effect.match({
      onFailure: (error) => refuse("_tag" in error ? fromLog(error) : error, identity),
      onSuccess: () => answer({ status: "ready" } satisfies typeof Readiness.Type, identity)
    })
  )
  const document = HttpServerResponse.text(JSON.stringify(OpenApi.fromApi(Api)), { contentType: "application/json" })

  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/health", answer({ status: "healthy" } satisfies typeof Health.Type, identity)),
    HttpRouter.add("GET", "/ready", ready),
    HttpRouter.add("GET", "/openapi.json", document),
    HttpApiSwagger.layer(Api)
  )
  const router = yield* HttpRouter.toHttpEffect(routes)

  const routed = Effect.flatMap(HttpServerRequest, ({ method, url }) => {
    if (!paths.includes(url.split("?", 1)[0] ?? "")) return Effect.succeed(refuse(notFound))
    if (!methods.includes(method)) return Effect.succeed(refuse(methodNotAllowed(method, methods.join(", "))))
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
        : Effect.as(Effect.logError("A request failed", cause), refuse(defect))
    )
  )
})
