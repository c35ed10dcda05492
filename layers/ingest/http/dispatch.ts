/**
 * Dispatches requests by path. Those that log events take plain functions and one fiber each: a router halves the
 * requests per second. Everything else goes through Effect's router.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect } from "effect"
import * as Admission from "./Admission.ts"
import * as App from "./app.ts"
import * as Body from "./body.ts"
import { busy, draining, methodNotAllowed } from "./ErrorResponse.ts"
import * as EventsRoute from "./eventsRoute.ts"
import type { Fibers } from "./Fibers.ts"
import type { Limits } from "./Limits.ts"
import * as LogRoute from "./logRoute.ts"
import * as OpenStreams from "./OpenStreams.ts"
import { RequestContext, type RequestContexts } from "./RequestContext.ts"
import { rejectForm, rejectHost, requestHeadersOf } from "./RequestHeaders.ts"
import * as Responses from "./Responses.ts"
import * as StreamEventsRoute from "./streamEventsRoute.ts"

type Route = (context: RequestContext, query: string) => void

/** The name in `/streams/{name}/events`. */
const streamOf = (path: string) => {
  const matched = path.startsWith("/streams/") ? /^\/streams\/([^/]+)\/events$/.exec(path) : null
  return matched?.[1]
}

const absolute = /^https?:\/\/([^/?#]*)(.*)$/is

/** Parameters, not services: this is the hot path, measured at 0.74 of bare Node's requests per second. */
export const dispatcher = Effect.fnUntraced(function* (
  host: string,
  topic: string,
  contexts: RequestContexts,
  limits: Limits,
  fibers: Fibers
) {
  const responses = yield* Responses.make(contexts, fibers)
  const bodies = Body.make(contexts, limits)
  const streams = yield* OpenStreams.make()
  const log = LogRoute.make(topic, contexts, responses, fibers)
  const events = EventsRoute.make(contexts, responses, fibers, bodies)
  const streamEvents = StreamEventsRoute.make(contexts, responses, fibers, bodies, streams)
  const { rejectCrossSite, rejectForeign } = Admission.make(host)
  const routed = yield* NodeHttpServer.makeHandler(yield* App.make(contexts, streams), { scope: fibers.scope })

  const write = (context: RequestContext, method: string, route: Route, query: string) => {
    const { request, headers } = context
    contexts.open(context)
    const error =
      rejectHost(headers, request) ??
      (request.method === method ? undefined : methodNotAllowed(request.method ?? "", method)) ??
      rejectCrossSite(headers) ??
      rejectForeign(headers) ??
      (contexts.draining ? draining : contexts.size > limits.inFlight ? busy : undefined)
    if (error === undefined) route(context, query)
    else contexts.reject(context, error)
  }

  const other = (context: RequestContext) => {
    const { request, response, headers } = context
    contexts.open(context)
    const error = rejectHost(headers, request) ?? rejectForeign(headers)
    if (error !== undefined) return contexts.reject(context, error)
    response.once("close", () => contexts.close(context))
    if (contexts.draining) response.setHeader("Connection", "close")
    routed(request, response)
  }

  return (request: IncomingMessage, response: ServerResponse) => {
    if (contexts.hasEnded(request.socket)) return
    const url = request.url ?? "/"
    const matched = url.startsWith("/") ? null : absolute.exec(url)
    const target = matched === null ? url : matched[2] || "/"
    const mark = target.indexOf("?")
    const path = mark === -1 ? target : target.slice(0, mark)
    const query = mark === -1 ? "" : target.slice(mark + 1)
    const headers = requestHeadersOf(request)
    // The authority of an absolute target overrides the Host header.
    const context = new RequestContext(request, response, matched === null ? headers : { ...headers, host: matched[1] })
    const malformed = rejectForm(headers, request)
    if (malformed !== undefined) {
      contexts.open(context)
      return contexts.rejectAndClose(context, malformed)
    }
    if (path === "/log") return write(context, "GET", log, query)
    if (path === "/events" || path === "/streams/weather/events") return write(context, "POST", events, query)
    const stream = streamOf(path)
    if (stream !== undefined) {
      return write(context, "POST", (context, query) => streamEvents(context, query, stream), query)
    }
    other(context)
  }
})
