/** A log in memory, for tests. */
import { Array as Arr, Cause, Clock, Context, Effect, Layer, Stream } from "effect"
import { layerWebCrypto, SecureRandom } from "effect/crypto/SecureRandom"
import {
  type Append,
  type Appended,
  EventLog,
  EventLogReader,
  isSameRequest,
  KeyInFlight,
  KeyReused,
  LogCorrupt,
  type LoggedEvent,
  type LogReader,
  type LogRecord
} from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import * as ageClock from "../../runtime/ageClock.ts"

interface Receipt extends Appended {
  readonly digest: string
  readonly acceptedAt: number
}

/** One stream's events. */
interface Events<R extends LogRecord> {
  readonly events: Array<LoggedEvent<R>>
  readonly receipts: Map<string, Receipt>
  readonly inFlight: Set<string>
  readonly waiting: Set<() => void>
}

const nothing = <R extends LogRecord>(): Events<R> => ({
  events: [],
  receipts: new Map(),
  inFlight: new Set(),
  waiting: new Set()
})

/** How long a key is kept, in milliseconds. */
const kept = 24 * 60 * 60 * 1_000

const beyond = (end: number, from: number) =>
  new LogCorrupt({
    position: { partition: 0, offset: end },
    reason: `the log ends here, not at offset ${from} or later`
  })

const readerOf = <R extends LogRecord>(logId: string, { events, waiting }: Events<R>): LogReader<R> => {
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

  return {
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
  }
}

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const now = ageClock.make(clock, kept)
  const logId = yield* (yield* SecureRandom).uuidV4()
  const weather = nothing<WeatherRecord>()
  const streams = new Map<string, Events<string>>()
  const ofStream = (stream: string) => {
    const known = streams.get(stream) ?? nothing()
    streams.set(stream, known)
    return known
  }

  const log = <R extends LogRecord>(
    { events, receipts, waiting }: Events<R>,
    records: ReadonlyArray<R>,
    { idempotency }: Append
  ): Effect.Effect<Appended, KeyReused> => {
    const acceptedAt = clock.currentTimeMillisUnsafe()
    const known = idempotency && receipts.get(idempotency.key)
    if (known !== undefined && idempotency !== undefined && now() - known.acceptedAt < kept) {
      if (!isSameRequest(idempotency, known.digest)) return Effect.fail(new KeyReused())
      return Effect.succeed({ positions: known.positions, ts: known.ts, repeated: true })
    }
    const positions = records.length === 0 ? [] : [{ partition: 0, offset: events.length, count: records.length }]
    const [first] = records
    const appended = { positions, ts: typeof first === "object" ? first.ts : undefined, repeated: false }
    for (const record of records) events.push({ position: { partition: 0, offset: events.length }, record, acceptedAt })
    if (idempotency !== undefined) {
      receipts.set(idempotency.key, { ...appended, digest: idempotency.digest, acceptedAt })
    }
    for (const wake of [...waiting]) wake()
    return Effect.succeed(appended)
  }

  const append = Effect.fnUntraced(function* (append: Append) {
    if (append.records.length + (append.rejected?.length ?? 0) === 0) {
      return yield* Effect.die(new Error("an append has at least one record"))
    }
    const { inFlight } = append.stream === undefined ? weather : ofStream(append.stream)
    const logged = Effect.suspend(() =>
      append.stream === undefined
        ? log(weather, append.records, append)
        : log(ofStream(append.stream), append.records, append)
    )
    const key = append.idempotency?.key
    if (key === undefined) return yield* Effect.andThen(Effect.yieldNow, logged)
    if (inFlight.has(key)) return yield* new KeyInFlight()
    inFlight.add(key)
    return yield* Effect.yieldNow.pipe(Effect.andThen(logged), Effect.ensuring(Effect.sync(() => inFlight.delete(key))))
  })

  const reader = readerOf(logId, weather)
  return Context.make(EventLog, EventLog.of({ logId, append, ready: Effect.void })).pipe(
    Context.add(
      EventLogReader,
      EventLogReader.of({
        ...reader,
        of: (stream) => (stream === "weather" ? reader : readerOf(logId, ofStream(stream)))
      })
    )
  )
})

export const layer = Layer.effectContext(make).pipe(Layer.provide(layerWebCrypto))
