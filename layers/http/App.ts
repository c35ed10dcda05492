/** Everything but the two ways of logging: state, description and documentation, on Effect's router. */
import { Cause, Effect, Layer } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiSwagger from "effect/http-api/HttpApiSwagger"
import * as OpenApi from "effect/http-api/OpenApi"
import { Api, type Health, type Readiness } from "../../services/Api.ts"
import { EventLog, type LogUnavailable } from "../../services/EventLog.ts"
import type { Exchanges } from "./Exchanges.ts"
import { bodyOf, defect, draining, fromLog, methodNotAllowed, notFound, type Refusal, refusal } from "./Refusal.ts"

const silent = refusal(503, "The event log did not say in time whether it takes events.", [], { "Retry-After": "1" })

const answer = (body: unknown) =>
  HttpServerResponse.text(JSON.stringify(body), {
    contentType: "application/json",
    headers: { "cache-control": "no-store" }
  })

const refuse = (refusal: Refusal) =>
  HttpServerResponse.text(bodyOf(refusal), {
    status: refusal.status,
    contentType: "application/json",
    headers: { "cache-control": "no-store", ...refusal.headers }
  })

/** Methods of each path, with those of the paths that the document itself does not describe. */
const methods = () => {
  const known = new Map<string, ReadonlyArray<string>>([
    ["/openapi.json", ["GET", "HEAD"]],
    ["/docs", ["GET", "HEAD"]]
  ])
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path } }) => {
      const more = method === "GET" && path !== "/log" ? ["GET", "HEAD"] : [method]
      known.set(path, [...(known.get(path) ?? []), ...more])
    }
  })
  return known
}

/** The page runs one script of its own, and nothing in it may come from elsewhere. */
const contentPolicy =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export const make = Effect.fnUntraced(function* (exchanges: Exchanges) {
  const log = yield* EventLog
  const known = methods()

  const ready = Effect.suspend(
    (): Effect.Effect<void, Refusal | LogUnavailable> => (exchanges.draining ? Effect.fail(draining) : log.ready)
  ).pipe(
    Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.fail(silent) }),
    Effect.match({
      onFailure: (error) => refuse("_tag" in error ? fromLog(error) : error),
      onSuccess: () => answer({ status: "ready" } satisfies typeof Readiness.Type)
    })
  )
  const document = HttpServerResponse.text(JSON.stringify(OpenApi.fromApi(Api)), { contentType: "application/json" })

  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/health", answer({ status: "healthy" } satisfies typeof Health.Type)),
    HttpRouter.add("GET", "/ready", ready),
    HttpRouter.add("GET", "/openapi.json", document),
    HttpApiSwagger.layer(Api)
  )
  const router = yield* HttpRouter.toHttpEffect(routes)

  const unrouted = Effect.map(HttpServerRequest, ({ method, url }) => {
    const allow = known.get(url.split("?", 1)[0] ?? "")
    return refuse(allow === undefined ? notFound : methodNotAllowed(method, allow.join(", ")))
  })

  return router.pipe(
    Effect.map((response) =>
      response.headers["content-type"]?.startsWith("text/html") === true
        ? HttpServerResponse.setHeader(response, "content-security-policy", contentPolicy)
        : response
    ),
    Effect.catchIf(
      (error) => error.reason._tag === "RouteNotFound",
      () => unrouted
    ),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.as(Effect.logError("A request failed", cause), refuse(defect))
    )
  )
})
