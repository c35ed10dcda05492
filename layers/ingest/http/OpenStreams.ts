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
  /** The checkers of earlier versions, newest first; a repeated request may have been accepted by one of them. */
  readonly earlier: () => ReadonlyArray<Checker.Checker>
}

/** So many changes of a stream may lie between a request and its repeat. */
const maxEarlier = 20

const openOne = (applied: AppliedStream, history: ReadonlyArray<AppliedStream>): OpenStream => {
  let earlier: ReadonlyArray<Checker.Checker> | undefined
  return {
    applied,
    checker: Checker.make(applied.definition),
    earlier: () => {
      earlier ??= history
        .filter(({ version }) => version < applied.version)
        .slice(-maxEarlier)
        .reverse()
        .map(({ definition }) => Checker.make(definition))
      return earlier
    }
  }
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

  const openAll = Effect.fnUntraced(function* (all: ReadonlyArray<AppliedStream>) {
    const opened = new Map<string, OpenStream>()
    for (const applied of all) {
      const { name } = applied.definition
      const known = open.get(name)
      const isKnown = known !== undefined && isSame(applied, known.applied)
      const history = isKnown || applied.version === 1 ? [] : yield* streams.history(name)
      opened.set(name, isKnown ? known : openOne(applied, history))
    }
    isBehind = false
    unread = undefined
    if (all.length === open.size && all.every(({ definition: { name } }) => opened.get(name) === open.get(name))) return
    open = opened
    changes++
  })

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
    return Effect.catch(Effect.flatMap(streams.all, openAll), goOn)
  })
  const first = yield* Effect.result(Effect.flatMap(streams.all, openAll))
  if (Result.isFailure(first)) {
    if (first.failure._tag === "LogCorrupt") return yield* first.failure
    open.set(weatherStream.definition.name, openOne(weatherStream, []))
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
      const hint = similar === undefined ? "GET /streams lists them all." : `did you mean ${similar}?`
      return errorResponse(404, `There is no stream ${shown(name)}; ${hint}`)
    }
  }
})
export type OpenStreams = Effect.Success<ReturnType<typeof make>>
