/** The requests that are open, and how they are answered. */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { Effect, type Fiber } from "effect"
import { bodyOf, type ErrorResponse, rawAnswer } from "./ErrorResponse.ts"
import type { RequestHeaders } from "./RequestHeaders.ts"
import { expectsContinue } from "./RequestHeaders.ts"

/** A body up to this size is read away after a refusal, and the connection stays. */
const skippedBytes = 64 * 1024
/** Time in which a client may read its refusal before the connection is cut, in milliseconds. */
const lingering = 1_000

/** One request and its answer. */
export class RequestContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHeaders
  /** What works on the answer. */
  fiber: Fiber.Fiber<void> | undefined
  /** Its place among the open ones; -1 if it is not. */
  slot = -1

  constructor(request: IncomingMessage, response: ServerResponse, head: RequestHeaders) {
    this.request = request
    this.response = response
    this.head = head
  }
}

const headersOf = (refusal: ErrorResponse) => {
  const headers = ["Content-Type", "application/json", "Cache-Control", "no-store"]
  for (const name in refusal.headers) headers.push(name, refusal.headers[name] ?? "")
  return headers
}

export class RequestContexts {
  draining = false
  // Not a Set: the tables that it discards as it changes are chained, and once one is old, the garbage collector takes
  // all that follow for alive: pauses of 15 ms, measured.
  readonly #open: Array<RequestContext> = []
  readonly #bodies = new WeakMap<IncomingMessage, (refusal: ErrorResponse) => void>()
  readonly #ended = new WeakSet<Duplex>()
  #onIdle: (() => void) | undefined

  get size() {
    return this.#open.length
  }

  get fibers() {
    return this.#open.flatMap(({ fiber }) => (fiber === undefined ? [] : [fiber]))
  }

  /** Its last answer is written: a request that follows on it would be carried out and never answered. */
  hasEnded(socket: Duplex) {
    return this.#ended.has(socket)
  }

  open(exchange: RequestContext) {
    exchange.slot = this.#open.push(exchange) - 1
  }

  close(exchange: RequestContext) {
    const { slot } = exchange
    if (slot === -1) return
    const last = this.#open.pop()
    if (last !== undefined && last !== exchange) {
      this.#open[slot] = last
      last.slot = slot
    }
    exchange.slot = -1
    if (this.#open.length === 0) this.#onIdle?.()
  }

  /** Once no request is open. */
  readonly idle = Effect.callback<void>((resume) => {
    if (this.#open.length === 0) return resume(Effect.void)
    this.#onIdle = () => resume(Effect.void)
  })

  /** `headers`: names and values in turn. */
  answer(exchange: RequestContext, status: number, headers: Array<string>, body: string) {
    const { response } = exchange
    if (!response.destroyed) {
      headers.push("Content-Length", String(Buffer.byteLength(body)))
      if (this.draining) headers.push("Connection", "close")
      response.writeHead(status, headers)
      response.end(body)
    }
    this.close(exchange)
  }

  refuse(exchange: RequestContext, refusal: ErrorResponse) {
    const { request, response, head } = exchange
    const headers = headersOf(refusal)
    const unread = head.length !== 0 && !request.complete
    if (!unread || response.destroyed) return this.answer(exchange, refusal.status, headers, bodyOf(refusal))
    // Where reading was begun and given up, the rest may never come.
    const isUntouched = request.readableFlowing === null && !expectsContinue(request)
    if (isUntouched && head.length !== undefined && head.length <= skippedBytes) {
      request.resume()
      return this.answer(exchange, refusal.status, headers, bodyOf(refusal))
    }
    this.refuseLast(exchange, refusal)
  }

  /** Refuses, and takes nothing more on this connection. */
  refuseLast(exchange: RequestContext, refusal: ErrorResponse) {
    const { request, response } = exchange
    const body = bodyOf(refusal)
    const headers = headersOf(refusal)
    headers.push("Content-Length", String(Buffer.byteLength(body)), "Connection", "close")
    response.writeHead(refusal.status, headers)
    this.#ended.add(request.socket)
    if (request.complete) {
      response.end(body)
      return this.close(exchange)
    }
    response.write(body)
    this.#linger(exchange)
  }

  /**
   * The answer is complete, but closing now, with bytes of the body on their way, would reset the connection and
   * could take the answer from the client: so the body is read away for a while first.
   */
  #linger(exchange: RequestContext) {
    const { request, response } = exchange
    const end = () => {
      clearTimeout(timer)
      response.end()
      this.close(exchange)
    }
    const timer = setTimeout(end, lingering)
    request.once("end", end).once("close", end).once("error", end)
    request.resume()
  }

  /** Nothing is known: the connection ends without an answer. */
  abandon(exchange: RequestContext) {
    exchange.request.socket.destroy()
    this.close(exchange)
  }

  /** While a body is read, what Node finds wrong with it goes to its reader. */
  reading(request: IncomingMessage, fail: (refusal: ErrorResponse) => void) {
    this.#bodies.set(request, fail)
    return () => void this.#bodies.delete(request)
  }

  /** Node could not make a request of what came: the answer follows those of the requests before it. */
  refuseConnection(socket: Duplex, refusal: ErrorResponse) {
    if (this.#ended.has(socket)) return
    const before = this.#open.filter(({ request }) => request.socket === socket)
    const unfinished = before.find(({ request }) => !request.complete && this.#bodies.has(request))
    if (unfinished !== undefined) return this.#bodies.get(unfinished.request)?.(refusal)
    this.#ended.add(socket)
    let waiting = before.length
    const write = () => {
      if (!socket.writable) return void socket.destroy()
      socket.end(rawAnswer(refusal))
      const timer = setTimeout(() => socket.destroy(), lingering)
      socket.once("close", () => clearTimeout(timer))
    }
    if (waiting === 0) return write()
    for (const { response } of before) response.once("close", () => --waiting === 0 && write())
  }
}
