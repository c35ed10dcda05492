/** Reads and inflates request bodies within limits of size, time and memory. */
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
const stalled = errorResponse(408, "The body did not arrive in time; nothing was logged.", [
  { field: "body", message: "stalled" }
])
const notGzip = invalid([{ field: "body", message: "is not valid gzip" }])
const notText = invalid([{ field: "body", message: "is not valid UTF-8" }])
const cut = invalid([{ field: "body", message: "ended too early" }])

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Memory for the body of one request; `take` is false when the server's budget is used up. */
export interface Held {
  readonly take: (bytes: number) => boolean
}

export const make = (contexts: RequestContexts, limits: Limits) => {
  let held = 0
  // An inflated body stays in memory until it is parsed, so few are inflated at a time.
  const inflating = Semaphore.makeUnsafe(2)

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

  // One growing buffer: a list of one-byte chunks would take a hundred times the body.
  const receive = ({ request, headers }: RequestContext, memory: Held, onBytes: () => void) =>
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
          const most = headers.length ?? maxBodyBytes
          const capacity = needed === headers.length ? needed : Math.min(most, Math.max(needed, 2 * body.length, 4_096))
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
      const ignore = contexts.reading(request, fail)
      const stop = () => {
        ignore()
        request.off("data", onData).off("end", onEnd).off("close", onClose).pause()
      }
      // Without a listener, the error of an aborted request would be thrown.
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
        // Node treats a zero byte after a member as padding and stops there; a damaged member may begin with one.
        const isWhole = engine.bytesWritten === body.length
        resume(isWhole ? Effect.succeed(Buffer.concat(pieces, size)) : Effect.fail(notGzip))
      })
      engine.end(body)
      return Effect.sync(() => void engine.destroy())
    }).pipe(inflating.withPermits(1))

  const text = Effect.fnUntraced(function* (context: RequestContext, gzipped: boolean, memory: Held) {
    const { request, response, headers } = context
    if (headers.length !== undefined && headers.length > maxBodyBytes) return yield* Effect.fail(tooLarge)
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
    const sent = yield* Effect.raceFirst(receive(context, memory, onBytes), watch)
    const body = gzipped ? yield* inflate(sent) : sent
    if (gzipped && !memory.take(body.length)) return yield* Effect.fail(busy)
    return yield* Effect.try({ try: () => utf8.decode(body), catch: () => notText })
  })

  return { holding, text }
}
export type Bodies = ReturnType<typeof make>
