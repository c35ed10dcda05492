/** A log in memory, for tests. */
import { Array as Arr, Cause, Clock, Context, Effect, Layer, Stream } from "effect"
import { layerWebCrypto, SecureRandom } from "effect/crypto/SecureRandom"
import {
  type Append,
  type Appended,
  EventLog,
  EventLogReader,
  KeyInFlight,
  KeyReused,
  LogCorrupt,
  type LoggedEvent
} from "../../../services/EventLog.ts"
import * as ageClock from "../../runtime/ageClock.ts"

interface Receipt extends Appended {
  readonly digest: string
  readonly acceptedAt: number
}

/** How long a key is kept, in milliseconds. */
const kept = 24 * 60 * 60 * 1_000

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const now = ageClock.make(clock, kept)
  const logId = yield* (yield* SecureRandom).uuidV4()
  const events: Array<LoggedEvent> = []
  const receipts = new Map<string, Receipt>()
  const inFlight = new Set<string>()
  const waiting = new Set<() => void>()

  const log = ({ records, idempotency }: Append): Effect.Effect<Appended, KeyReused> => {
    const acceptedAt = clock.currentTimeMillisUnsafe()
    const first = idempotency && receipts.get(idempotency.key)
    if (first !== undefined && now() - first.acceptedAt < kept) {
      if (first.digest !== idempotency?.digest) return Effect.fail(new KeyReused())
      return Effect.succeed({ positions: first.positions, ts: first.ts, repeated: true })
    }
    const positions = [{ partition: 0, offset: events.length, count: records.length }]
    const appended = { positions, ts: records[0]?.ts ?? "", repeated: false }
    for (const record of records) events.push({ position: { partition: 0, offset: events.length }, record, acceptedAt })
    if (idempotency !== undefined) {
      receipts.set(idempotency.key, { ...appended, digest: idempotency.digest, acceptedAt })
    }
    for (const wake of [...waiting]) wake()
    return Effect.succeed(appended)
  }

  const append = Effect.fnUntraced(function* (append: Append) {
    if (append.records.length === 0) return yield* Effect.die(new Error("an append has at least one record"))
    const key = append.idempotency?.key
    if (key === undefined)
      return yield* Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => log(append))
      )
    if (inFlight.has(key)) return yield* new KeyInFlight()
    inFlight.add(key)
    return yield* Effect.yieldNow.pipe(
      Effect.andThen(Effect.suspend(() => log(append))),
      Effect.ensuring(Effect.sync(() => inFlight.delete(key)))
    )
  })

  const more = (next: number) =>
    Effect.callback<void>((resume) => {
      if (events.length > next) return resume(Effect.void)
      const wake = () => {
        waiting.delete(wake)
        resume(Effect.void)
      }
      waiting.add(wake)
      return Effect.sync(() => waiting.delete(wake))
    })

  const cursor = (from: number, untilEnd: boolean) => {
    let next = from
    const stop = untilEnd ? events.length : Infinity
    return Effect.gen(function* () {
      while (true) {
        if (next > events.length) return yield* beyond(events.length, next)
        const batch = events.slice(next, Math.min(stop, next + 5_000))
        next += batch.length
        if (Arr.isReadonlyArrayNonEmpty(batch)) return batch
        if (next === stop) return yield* Cause.done()
        yield* more(next)
      }
    })
  }

  const beyond = (end: number, from: number) =>
    new LogCorrupt({
      position: { partition: 0, offset: end },
      reason: `the log ends here, not at offset ${from} or later`
    })

  const reader = EventLogReader.of({
    bounds: Effect.sync(() => ({ logId, partitions: [{ partition: 0, start: 0, end: events.length }] })),
    read: (from, options) =>
      from.partition === 0
        ? Stream.fromPull(Effect.sync(() => cursor(from.offset, options?.until === "end")))
        : Stream.fail(
            new LogCorrupt({ position: { partition: 0, offset: 0 }, reason: `it has no partition ${from.partition}` })
          ),
    firstAt: ({ start, end }, millis) =>
      Effect.sync(() => {
        const index = events.slice(start, end).findIndex(({ acceptedAt }) => acceptedAt >= millis)
        return index < 0 ? end : start + index
      })
  })
  return Context.make(EventLog, EventLog.of({ logId, append, ready: Effect.void })).pipe(
    Context.add(EventLogReader, reader)
  )
})

export const layer = Layer.effectContext(make).pipe(Layer.provide(layerWebCrypto))
