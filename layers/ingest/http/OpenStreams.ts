/** The streams that the server takes events of. A request reads them again after a second, so that an applied change needs no restart. */
import { Clock, Effect, Result } from "effect"
import type { LogUnavailable } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { nearest } from "../../runtime/nearest.ts"
import * as Checker from "../checker/Checker.ts"
import { errorResponse, fromLog, shown } from "./ErrorResponse.ts"

export interface OpenStream {
  readonly applied: AppliedStream
  readonly checker: Checker.Checker
}

/** Milliseconds. */
const interval = 1_000

const isSame = (one: AppliedStream, other: AppliedStream | undefined) =>
  other !== undefined && one.version === other.version && one.appliedAt === other.appliedAt

export const make = Effect.fnUntraced(function* () {
  const streams = yield* Streams
  const clock = yield* Clock.Clock
  let open = new Map<string, OpenStream>()
  let changes = 0
  let readAt = Number.NEGATIVE_INFINITY
  let isBehind = false
  /** Until they are read for the first time. */
  let unread: LogUnavailable | undefined

  const openAll = (all: ReadonlyArray<AppliedStream>) => {
    isBehind = false
    unread = undefined
    if (all.length === open.size && all.every((one) => isSame(one, open.get(one.definition.name)?.applied))) return
    open = new Map(
      all.map((applied) => {
        const { name } = applied.definition
        const known = open.get(name)
        return [
          name,
          known !== undefined && isSame(applied, known.applied)
            ? known
            : { applied, checker: Checker.make(applied.definition) }
        ]
      })
    )
    changes++
  }

  const goOn = Effect.fnUntraced(function* (error: unknown) {
    if (isBehind) return
    isBehind = true
    yield* Effect.logWarning(
      "The definitions of the streams cannot be read; the server goes on with those that it knows.",
      error
    )
  })

  const fresh = Effect.suspend(() => {
    const now = monotonicMillisUnsafe(clock)
    if (now - readAt < interval) return Effect.void
    readAt = now
    return Effect.matchEffect(streams.all, { onFailure: goOn, onSuccess: (all) => Effect.sync(() => openAll(all)) })
  })
  const first = yield* Effect.result(streams.all)
  if (Result.isSuccess(first)) openAll(first.success)
  else {
    if (first.failure._tag === "LogCorrupt") return yield* first.failure
    openAll([weatherStream])
    unread = first.failure
    yield* goOn(first.failure)
  }

  return {
    /** Reads the definitions again, unless they were read less than a second ago. */
    fresh,
    /** Rises with each change of the definitions. */
    changes: () => changes,
    all: () => [...open.values()],
    get: (name: string) => open.get(name),
    /** The response for a name that no stream has, or that is not known because they could not be read yet. */
    missing: (name: string) => {
      if (unread !== undefined) return fromLog(unread)
      const similar = name.length > 64 ? undefined : nearest(name, [...open.keys()])
      const hint = similar === undefined ? "GET /streams lists them all" : `the nearest name is ${similar}`
      return errorResponse(404, `There is no stream ${shown(name)}; ${hint}.`)
    }
  }
})
export type OpenStreams = Effect.Success<ReturnType<typeof make>>
