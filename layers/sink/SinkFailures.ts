/** What the sink cannot write: which streams, why, and when it tries each again. Other programs read it from the control database. */
import { Effect } from "effect"
import { weather } from "../../services/TableReader.ts"
import { monotonicMillis } from "../runtime/elapsed.ts"
import { SinkControl } from "./SinkControl.ts"

const firstDelay = 500
const longestDelay = 30_000
/** A stream that worked for longer than this failed for another reason than before. */
const healthyMillis = 60_000

interface Tries {
  readonly count: number
  readonly retryAt: number
}

/** Of a stream: what a sentence about it begins with. */
const naming = (stream: string) => (stream === weather ? "" : `The stream ${stream}: `)

export const make = Effect.gen(function* () {
  const control = yield* SinkControl
  const stopped = new Map<string, string>()
  const tries = new Map<string, Tries>()
  const unlogged = new Set<string>()
  /** Of streams whose events are still committed. */
  const unmaintained = new Map<string, string>()

  const record = Effect.suspend(() => {
    const written = [...unmaintained].filter(([stream]) => !stopped.has(stream))
    return control.setFailures([
      ...[...stopped].map(([stream, reason]) => ({ stream, reason })),
      ...written.map(([stream, reason]) => ({ stream, reason, isWritten: true as const }))
    ])
  }).pipe(Effect.catch(({ message }) => Effect.logWarning(`${message} The sink continues without it.`)))
  yield* record

  const forgotten = <A>(map: Map<string, A>, stream: string, message: string) =>
    Effect.suspend(() => (map.delete(stream) ? Effect.andThen(record, Effect.log(message)) : Effect.void))

  return {
    /** Why the stream cannot be written; undefined if it can. */
    reasonOf: (stream: string) => stopped.get(stream),
    /** Whether a stream that failed should be tried again now. */
    isDue: (stream: string) =>
      Effect.map(monotonicMillis, (now) => (tries.get(stream)?.retryAt ?? Number.NEGATIVE_INFINITY) <= now),
    /** All reasons, as sentences that name the streams. */
    sentence: () => [...stopped].map(([stream, reason]) => `${naming(stream)}${reason}`).join("\n"),
    stopped: Effect.fnUntraced(function* (stream: string, reason: string) {
      const now = yield* monotonicMillis
      const last = tries.get(stream)
      const count = last === undefined || now - last.retryAt > healthyMillis ? 0 : last.count + 1
      tries.set(stream, { count, retryAt: now + Math.min(longestDelay, firstDelay * 2 ** Math.min(count, 10)) })
      const before = stopped.get(stream)
      stopped.set(stream, reason)
      if (before === reason) return
      yield* record
      unlogged.add(stream)
    }),
    /** Logs what is new, once it is certain that the sink goes on. */
    log: Effect.suspend(() => {
      const streams = [...unlogged]
      unlogged.clear()
      return Effect.forEach(
        streams,
        (stream) =>
          Effect.logError(
            `${naming(stream)}${stopped.get(stream)} The sink goes on with the other streams, and with ${stream} once the cause is fixed.`
          ),
        { discard: true }
      )
    }),
    /** The stream is written again. */
    resumed: (stream: string) =>
      forgotten(
        stopped,
        stream,
        `${stream === weather ? "" : `${stream}: `}the cause is fixed; the sink writes the table again`
      ),
    unmaintained: Effect.fnUntraced(function* (stream: string, message: string) {
      const reason = `${message} Events are still committed, but files are not merged.`
      const before = unmaintained.get(stream)
      unmaintained.set(stream, reason)
      if (before === reason) return
      yield* record
      yield* Effect.logError(`${naming(stream)}${reason}`)
    }),
    maintained: (stream: string) =>
      forgotten(unmaintained, stream, `${stream === weather ? "" : `${stream}: `}the table can be maintained again`)
  }
})
