/** Bodies of requests: read within bounds of size, time and memory, and inflated within the same bound. */
import { createGunzip } from "node:zlib"
import { Clock, Effect, Semaphore } from "effect"
import { maxBodyBytes } from "../../../services/Api.ts"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { busy, type ErrorResponse, errorResponse, invalid } from "./ErrorResponse.ts"
import type { Limits } from "./Limits.ts"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"
import { expectsContinue } from "./RequestHeaders.ts"

const tooLarge = errorResponse(413, "The body must be at most 5 MiB, both as sent and inflated.", [
  { field: "body", message: "must be at most 5 MiB" }
])
const stalled = errorResponse(408, "The body did not come in time; nothing was logged.", [
  { field: "body", message: "stalled" }
])
const notGzip = invalid([{ field: "body", message: "is not valid gzip" }])
const notText = invalid([{ field: "body", message: "is not valid UTF-8" }])
const cut = invalid([{ field: "body", message: "ended too early" }])

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Bytes of bodies that are in memory for one request. */
export interface Held {
  readonly take: (bytes: number) => boolean
}

export const make = (exchanges: RequestContexts, limits: Limits) => {
  let held = 0
  // An inflated body waits in memory for its turn to be parsed: few at a time.
  const inflating = Semaphore.makeUnsafe(2)

  /** What is taken within is given back at its end. */
  const holding = <A, E, R>(use: (held: Held) => Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      let mine = 0
      const take = (bytes: number) => {
        if (held + bytes > limits.heldBytes) return false
        held += bytes
        mine += bytes
        return true
      }
      return Effect.ensuring(
        use({ take }),
        Effect.sync(() => {
          held -= mine
        })
      )
    })

  /** Into one buffer that grows: a list of chunks of a byte each would take a hundred times the body. */
  const receive = ({ request, head }: RequestContext, memory: Held, onBytes: () => void) =>
    Effect.callback<Buffer, ErrorResponse>((resume) => {
      let body: Buffer = Buffer.alloc(0)
      let size = 0
      const fail = (reason: ErrorResponse) => {
        stop()
        resume(Effect.fail(reason))
      }
      const onData = (chunk: Buffer) => {
        onBytes()
        const needed = size + chunk.length
        if (needed > maxBodyBytes) return fail(tooLarge)
        if (needed > body.length) {
          const most = head.length ?? maxBodyBytes
          const capacity = needed === head.length ? needed : Math.min(most, Math.max(needed, 2 * body.length, 4_096))
          if (!memory.take(capacity - body.length)) return fail(busy)
          const grown = capacity === chunk.length ? chunk : Buffer.allocUnsafeSlow(capacity)
          body.copy(grown, 0, 0, size)
          body = grown
        }
        if (body !== chunk) chunk.copy(body, size)
        size = needed
      }
      const onEnd = () => {
        stop()
        resume(Effect.succeed(body.subarray(0, size)))
      }
      const onClose = () => fail(cut)
      const ignore = exchanges.reading(request, fail)
      const stop = () => {
        ignore()
        request.off("data", onData).off("end", onEnd).off("close", onClose).pause()
      }
      // An aborted request also emits an error, which would be thrown without a listener.
      request.on("error", onClose)
      request.on("data", onData).on("end", onEnd).on("close", onClose)
      return Effect.sync(stop)
    })

  const inflate = (body: Buffer) =>
    Effect.callback<Buffer, ErrorResponse>((resume) => {
      const engine = createGunzip()
      const pieces: Array<Buffer> = []
      let size = 0
      engine.on("data", (piece: Buffer) => {
        size += piece.length
        if (size <= maxBodyBytes) return void pieces.push(piece)
        engine.destroy()
        resume(Effect.fail(tooLarge))
      })
      engine.on("error", () => resume(Effect.fail(notGzip)))
      engine.on("end", () => {
        // It ends at a zero after a member, taking it for padding; a damaged member may begin with one.
        const isWhole = engine.bytesWritten === body.length
        resume(isWhole ? Effect.succeed(Buffer.concat(pieces, size)) : Effect.fail(notGzip))
      })
      engine.end(body)
      return Effect.sync(() => void engine.destroy())
    }).pipe(inflating.withPermits(1))

  /** The body as text. */
  const text = Effect.fnUntraced(function* (exchange: RequestContext, gzipped: boolean, memory: Held) {
    const { request, response, head } = exchange
    if (head.length !== undefined && head.length > maxBodyBytes) return yield* Effect.fail(tooLarge)
    if (expectsContinue(request)) response.writeContinue()
    const clock = yield* Clock.Clock
    const started = monotonicMillisUnsafe(clock)
    let last = started
    const watch = Effect.gen(function* () {
      while (true) {
        const now = monotonicMillisUnsafe(clock)
        const left = Math.min(last + limits.bodyStall, started + limits.bodyTotal) - now
        if (left <= 0) return yield* Effect.fail(stalled)
        yield* Effect.sleep(left)
      }
    })
    const onBytes = () => {
      last = monotonicMillisUnsafe(clock)
    }
    const sent = yield* Effect.raceFirst(receive(exchange, memory, onBytes), watch)
    const body = gzipped ? yield* inflate(sent) : sent
    if (gzipped && !memory.take(body.length)) return yield* Effect.fail(busy)
    return yield* Effect.try({ try: () => utf8.decode(body), catch: () => notText })
  })

  return { holding, text }
}
