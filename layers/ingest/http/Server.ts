/**
 * The HTTP server: one listener of Node. Logging takes plain functions and one fiber for each request, as a router
 * would cost half of the requests per second; everything else is Effect's.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Fiber, Layer } from "effect"
import { AddressUnusable, HttpAddress } from "../../../services/HttpAddress.ts"
import { plural } from "../../../services/plural.ts"
import * as Settings from "../../../services/Settings.ts"
import * as Admission from "./Admission.ts"
import * as App from "./app.ts"
import { badExpectation, busy, connectionError, draining, methodNotAllowed, noTunnels } from "./ErrorResponse.ts"
import * as EventsRoute from "./eventsRoute.ts"
import * as Fibers from "./Fibers.ts"
import { Limits } from "./Limits.ts"
import * as LogRoute from "./logRoute.ts"
import { RequestContext, RequestContexts } from "./RequestContext.ts"
import { expectsContinue, rejectForm, rejectHost, requestHeadersOf } from "./RequestHeaders.ts"
import * as Responses from "./Responses.ts"

type Route = (exchange: RequestContext, query: string) => void

const absolute = /^https?:\/\/([^/?#]*)(.*)$/is

/** Requests of one server, by their paths. */
const dispatcher = Effect.fnUntraced(function* (
  host: string,
  topic: string,
  exchanges: RequestContexts,
  limits: Limits,
  fibers: Fibers.Fibers
) {
  const answers = yield* Responses.make(exchanges, fibers)
  const log = LogRoute.make(topic, exchanges, answers, fibers)
  const events = EventsRoute.make(exchanges, answers, fibers, limits)
  const { refuseCrossSite, refuseForeign } = Admission.make(host)
  const rest = yield* NodeHttpServer.makeHandler(yield* App.make(exchanges), { scope: fibers.scope })

  const write = (exchange: RequestContext, method: string, route: Route, query: string) => {
    const { request, head } = exchange
    exchanges.open(exchange)
    const refused =
      rejectHost(head, request) ??
      (request.method === method ? undefined : methodNotAllowed(request.method ?? "", method)) ??
      refuseCrossSite(head) ??
      refuseForeign(head) ??
      (exchanges.draining ? draining : exchanges.size > limits.inFlight ? busy : undefined)
    if (refused === undefined) route(exchange, query)
    else exchanges.refuse(exchange, refused)
  }

  const other = (exchange: RequestContext) => {
    const { request, response, head } = exchange
    exchanges.open(exchange)
    const refused = rejectHost(head, request) ?? refuseForeign(head)
    if (refused !== undefined) return exchanges.refuse(exchange, refused)
    response.once("close", () => exchanges.close(exchange))
    if (exchanges.draining) response.setHeader("Connection", "close")
    rest(request, response)
  }

  return (request: IncomingMessage, response: ServerResponse) => {
    if (exchanges.hasEnded(request.socket)) return
    const url = request.url ?? "/"
    const found = url.startsWith("/") ? null : absolute.exec(url)
    const target = found === null ? url : found[2] || "/"
    const mark = target.indexOf("?")
    const path = mark === -1 ? target : target.slice(0, mark)
    const query = mark === -1 ? "" : target.slice(mark + 1)
    const head = requestHeadersOf(request)
    // The authority of an absolute target counts, and not the Host beside it.
    const exchange = new RequestContext(request, response, found === null ? head : { ...head, host: found[1] })
    const malformed = rejectForm(head, request)
    if (malformed !== undefined) {
      exchanges.open(exchange)
      return exchanges.refuseLast(exchange, malformed)
    }
    if (path === "/log") return write(exchange, "GET", log, query)
    if (path === "/events") return write(exchange, "POST", events, query)
    other(exchange)
  }
})

const bind = (server: Server, host: string, port: number) =>
  Effect.callback<void, AddressUnusable>((resume) => {
    const onError = (error: Error) => {
      const code = "code" in error && typeof error.code === "string" ? error.code : error.message
      resume(Effect.fail(new AddressUnusable({ host, port, code })))
    }
    server.once("error", onError)
    server.listen({ host, port }, () => {
      server.off("error", onError)
      resume(Effect.void)
    })
  })

/** Open requests have a while to end; idle connections end at once, and in the end all do. */
const shutdown = Effect.fn("Http.shutdown")(function* (
  server: Server,
  exchanges: RequestContexts,
  fibers: Fibers.Fibers,
  limits: Limits
) {
  exchanges.draining = true
  const closed = Effect.callback<void>((resume) => {
    server.once("close", () => resume(Effect.void))
    server.close()
  })
  const ended = yield* Effect.forkChild(closed, { startImmediately: true })
  yield* Effect.timeoutOrElse(Effect.interruptible(exchanges.idle), {
    duration: limits.drain,
    orElse: () => Effect.logWarning(`${plural(exchanges.size, "request was", "requests were")} cut off`)
  })
  // The last answers leave with the ticks that are queued now.
  yield* Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
  server.closeAllConnections()
  yield* Effect.timeoutOrElse(Effect.interruptible(Fiber.join(ended)), {
    duration: "1 second",
    orElse: () => Effect.void
  })
  yield* fibers.interrupt
})

const reachable = (address: string) => {
  if (address === "0.0.0.0") return "127.0.0.1"
  if (address === "::") return "[::1]"
  return address.includes(":") ? `[${address}]` : address
}

/** Port 0 takes any that is free. */
export const at = (host: string, port: number) =>
  Layer.effect(
    HttpAddress,
    Effect.gen(function* () {
      const limits = yield* Limits
      const exchanges = new RequestContexts()
      const fibers = Fibers.make(exchanges, yield* Effect.context<never>())
      const onRequest = yield* dispatcher(host, yield* Settings.topic, exchanges, limits, fibers)
      const server = createServer({
        keepAliveTimeout: limits.keepAlive,
        headersTimeout: limits.headers,
        // The reader of a body is stricter; this ends what sends a body that nobody reads.
        requestTimeout: limits.bodyTotal + limits.headers,
        connectionsCheckingInterval: Math.min(1_000, limits.headers),
        maxHeaderSize: 16 * 1024,
        // Node would answer without a body; Head.ts does it.
        requireHostHeader: false
      })
      server.maxConnections = limits.connections
      server.on("request", onRequest)
      const refuseExpectation = (request: IncomingMessage, response: ServerResponse) => {
        if (exchanges.hasEnded(request.socket)) return
        const exchange = new RequestContext(request, response, requestHeadersOf(request))
        exchanges.open(exchange)
        exchanges.refuseLast(exchange, badExpectation)
      }
      // Node looks for it anywhere in the header, as in "100-continue, other".
      server.on("checkContinue", (request, response) =>
        expectsContinue(request) ? onRequest(request, response) : refuseExpectation(request, response)
      )
      server.on("checkExpectation", refuseExpectation)
      server.on("connect", (_request, socket) => exchanges.refuseConnection(socket, noTunnels))
      server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
        if (error.code === "ECONNRESET" || error.code === "EPIPE") socket.destroy()
        else exchanges.refuseConnection(socket, connectionError(error.code, "reason" in error && error.reason))
      })
      yield* Effect.acquireRelease(bind(server, host, port), () => shutdown(server, exchanges, fibers, limits))
      // Without a listener a connection that cannot be accepted, as at the limit of open files, would end the process.
      server.on("error", (error) => fibers.run(Effect.logError("The HTTP server failed", error)))
      const address = server.address()
      if (address === null || typeof address === "string") return yield* Effect.die("the server listens on no port")
      return HttpAddress.of({ host, port: address.port, url: `http://${reachable(address.address)}:${address.port}` })
    })
  )

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    return at(yield* Settings.host, yield* Settings.port)
  })
)
