/** The HTTP server, and the address that it listens on. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Context, Effect, Fiber, Layer, Schema } from "effect"
import * as Settings from "../../../services/Settings.ts"
import { limitHeapGrowth } from "../../runtime/limitHeapGrowth.ts"
import { plural } from "../../runtime/plural.ts"
import { dispatcher } from "./dispatch.ts"
import { badExpectation, connectionError, noTunnels } from "./ErrorResponse.ts"
import * as Fibers from "./Fibers.ts"
import { Limits } from "./Limits.ts"
import { RequestContext, RequestContexts } from "./RequestContext.ts"
import { expectsContinue, requestHeadersOf } from "./RequestHeaders.ts"

/** The server cannot listen on this address. */
export class AddressUnusable extends Schema.TaggedError<AddressUnusable>()("AddressUnusable", {
  host: Schema.String,
  port: Schema.Int,
  /** The operating system's error code, for example EADDRINUSE. */
  code: Schema.String
}) {
  override get message() {
    switch (this.code) {
      case "EADDRINUSE":
        return `Port ${this.port} on ${this.host} is in use by another program; stop that program or set FLOE_PORT.`
      case "EACCES":
        return `This user may not listen on port ${this.port} of ${this.host}; set FLOE_PORT to a port above 1023.`
      case "EADDRNOTAVAIL":
      case "ENOTFOUND":
      case "EAI_AGAIN":
        return `${this.host} is not an address of this machine; set FLOE_HOST to one that is.`
      default:
        return `Cannot listen on port ${this.port} of ${this.host} (${this.code}); set FLOE_HOST and FLOE_PORT.`
    }
  }
}

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

const shutdown = Effect.fn("HttpServer.shutdown")(function* (
  server: Server,
  contexts: RequestContexts,
  fibers: Fibers.Fibers,
  limits: Limits
) {
  contexts.draining = true
  const closed = Effect.callback<void>((resume) => {
    server.once("close", () => resume(Effect.void))
    server.close()
  })
  const ended = yield* Effect.forkChild(closed, { startImmediately: true })
  yield* Effect.timeoutOrElse(Effect.interruptible(contexts.idle), {
    duration: limits.drain,
    orElse: () => Effect.logWarning(`${plural(contexts.size, "request was", "requests were")} cut off`)
  })
  // The last responses are written by the ticks that are queued now.
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

const make = Effect.fnUntraced(function* (host: string, port: number) {
  yield* limitHeapGrowth
  const limits = yield* Limits
  const contexts = new RequestContexts()
  const fibers = Fibers.make(contexts, yield* Effect.context<never>())
  const onRequest = yield* dispatcher(host, yield* Settings.topic, contexts, limits, fibers)
  const server = createServer({
    keepAliveTimeout: limits.keepAlive,
    headersTimeout: limits.headers,
    requestTimeout: limits.bodyTotal + limits.headers,
    connectionsCheckingInterval: Math.min(1_000, limits.headers),
    maxHeaderSize: 16 * 1024,
    // Node would answer without a body; RequestHeaders.ts checks the header instead.
    requireHostHeader: false
  })
  server.maxConnections = limits.connections
  server.on("request", onRequest)
  const rejectExpectation = (request: IncomingMessage, response: ServerResponse) => {
    if (contexts.hasEnded(request.socket)) return
    const context = new RequestContext(request, response, requestHeadersOf(request))
    contexts.open(context)
    contexts.rejectAndClose(context, badExpectation)
  }
  // Node matches 100-continue anywhere in the header, also in "100-continue, other".
  server.on("checkContinue", (request, response) =>
    expectsContinue(request) ? onRequest(request, response) : rejectExpectation(request, response)
  )
  server.on("checkExpectation", rejectExpectation)
  server.on("connect", (_request, socket) => contexts.rejectConnection(socket, noTunnels))
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || error.code === "EPIPE") socket.destroy()
    else contexts.rejectConnection(socket, connectionError(error.code, "reason" in error && error.reason))
  })
  yield* Effect.acquireRelease(bind(server, host, port), () => shutdown(server, contexts, fibers, limits))
  // Without a listener, a failed accept (at the limit of open files, for example) would end the process.
  server.on("error", (error) => fibers.run(Effect.logError("The HTTP server failed", error)))
  const address = server.address()
  if (address === null || typeof address === "string") return yield* Effect.die("the server listens on no port")
  return HttpServer.of({ host, port: address.port, url: `http://${reachable(address.address)}:${address.port}` })
})

export class HttpServer extends Context.Service<
  HttpServer,
  {
    readonly host: string
    /** The bound port, also if port 0 was requested. */
    readonly port: number
    /** The address for programs on this machine, without a trailing slash. */
    readonly url: string
  }
>()("floe/layers/ingest/http/HttpServer") {
  /** Port 0 binds any free port. */
  static readonly at = (host: string, port: number) => Layer.effect(HttpServer, make(host, port))

  static readonly layer = Layer.unwrap(
    Effect.gen(function* () {
      return HttpServer.at(yield* Settings.host, yield* Settings.port)
    })
  )
}
