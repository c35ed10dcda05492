/** Open requests and their responses. */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { Effect, type Fiber } from "effect"
import { bodyOf, type ErrorResponse, rawResponse } from "./ErrorResponse.ts"
import { expectsContinue, type RequestHeaders } from "./RequestHeaders.ts"

/** The largest body that is drained after an error so that the connection stays open. */
const drainedBytes = 64 * 1024
/** Milliseconds in which a client can read its error before the connection is cut. */
const lingering = 1_000

/** One request and its response. */
export class RequestContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly headers: RequestHeaders
  fiber: Fiber.Fiber<void> | undefined
  /** Index among the open requests; -1 if closed. */
  slot = -1

  constructor(request: IncomingMessage, response: ServerResponse, headers: RequestHeaders) {
    this.request = request
    this.response = response
    this.headers = headers
  }
}

const headersOf = (error: ErrorResponse) => {
  const headers = ["Content-Type", "application/json", "Cache-Control", "no-store"]
  for (const name in error.headers) headers.push(name, error.headers[name] ?? "")
  return headers
}

export class RequestContexts {
  draining = false
  // Not a Set: the tables that a changing Set discards are chained; once one is in the old generation, the garbage
  // collector keeps all the later ones (pauses of 15 ms, measured).
  readonly #open: Array<RequestContext> = []
  readonly #bodies = new WeakMap<IncomingMessage, (error: ErrorResponse) => void>()
  readonly #ended = new WeakSet<Duplex>()
  #onIdle: (() => void) | undefined

  get size() {
    return this.#open.length
  }

  get fibers() {
    return this.#open.flatMap(({ fiber }) => (fiber === undefined ? [] : [fiber]))
  }

  /** Whether the last response of this connection is written; a later request would run and never get a response. */
  hasEnded(socket: Duplex) {
    return this.#ended.has(socket)
  }

  open(context: RequestContext) {
    context.slot = this.#open.push(context) - 1
  }

  close(context: RequestContext) {
    const { slot } = context
    if (slot === -1) return
    const last = this.#open.pop()
    if (last !== undefined && last !== context) {
      this.#open[slot] = last
      last.slot = slot
    }
    context.slot = -1
    if (this.#open.length === 0) this.#onIdle?.()
  }

  /** Resolves once no request is open. */
  readonly idle = Effect.callback<void>((resume) => {
    if (this.#open.length === 0) return resume(Effect.void)
    this.#onIdle = () => resume(Effect.void)
  })

  /** `headers` alternates names and values. */
  respond(context: RequestContext, status: number, headers: Array<string>, body: string) {
    const { response } = context
    if (!response.destroyed) {
      headers.push("Content-Length", String(Buffer.byteLength(body)))
      if (this.draining) headers.push("Connection", "close")
      response.writeHead(status, headers)
      response.end(body)
    }
    this.close(context)
  }

  reject(context: RequestContext, error: ErrorResponse) {
    const {
      request,
      response,
      headers: { length }
    } = context
    const headers = headersOf(error)
    const unread = length !== 0 && !request.complete
    if (!unread || response.destroyed) return this.respond(context, error.status, headers, bodyOf(error))
    // After an abandoned read, the rest of the body may never arrive.
    const isUntouched = request.readableFlowing === null && !expectsContinue(request)
    if (isUntouched && length !== undefined && length <= drainedBytes) {
      request.resume()
      return this.respond(context, error.status, headers, bodyOf(error))
    }
    this.rejectAndClose(context, error)
  }

  rejectAndClose(context: RequestContext, error: ErrorResponse) {
    const { request, response } = context
    const body = bodyOf(error)
    const headers = headersOf(error)
    headers.push("Content-Length", String(Buffer.byteLength(body)), "Connection", "close")
    response.writeHead(error.status, headers)
    this.#ended.add(request.socket)
    if (request.complete) {
      response.end(body)
      return this.close(context)
    }
    response.write(body)
    this.#linger(context)
  }

  /** Drains the body for a while: closing with unread bytes resets the connection, and the client can lose the response. */
  #linger(context: RequestContext) {
    const { request, response } = context
    const end = () => {
      clearTimeout(timer)
      response.end()
      this.close(context)
    }
    const timer = setTimeout(end, lingering)
    request.once("end", end).once("close", end).once("error", end)
    request.resume()
  }

  abandon(context: RequestContext) {
    context.request.socket.destroy()
    this.close(context)
  }

  /** While a body is being read, parse errors on its connection go to `fail`. Returns a function that ends this. */
  reading(request: IncomingMessage, fail: (error: ErrorResponse) => void) {
    this.#bodies.set(request, fail)
    return () => void this.#bodies.delete(request)
  }

  /** Responds to bytes that Node could not parse, after the responses to the requests before them. */
  rejectConnection(socket: Duplex, error: ErrorResponse) {
    if (this.#ended.has(socket)) return
    const before = this.#open.filter(({ request }) => request.socket === socket)
    const unfinished = before.find(({ request }) => !request.complete && this.#bodies.has(request))
    if (unfinished !== undefined) return this.#bodies.get(unfinished.request)?.(error)
    this.#ended.add(socket)
    let waiting = before.length
    const write = () => {
      if (!socket.writable) return void socket.destroy()
      socket.end(rawResponse(error))
      const timer = setTimeout(() => socket.destroy(), lingering)
      socket.once("close", () => clearTimeout(timer))
    }
    if (waiting === 0) return write()
    for (const { response } of before) response.once("close", () => --waiting === 0 && write())
  }
}
