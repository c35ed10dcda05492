/** Reads the topic to learn which idempotency keys it has. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Clock, Deferred, Effect, Option, Semaphore } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { Cluster } from "./Cluster.ts"
import type { Consumers, Cursor } from "./Consumer.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import * as IdempotencyIndex from "./IdempotencyIndex.ts"
import { type KeyedRecord, keyOf, recordOf } from "./records.ts"

/** Most records of one request: a request that begins before the window is still read completely. */
const maxRequestRecords = 10_000
/** The search for the start of the window stops at this many milliseconds. */
const windowTolerance = 100

export interface KeyIndexer {
  /** Seeks to the oldest keys that are kept; returns the most events that there are from there to the end: each has an offset. */
  readonly toWindow: Effect.Effect<number, KafkaFailure>
  /** Forgets all keys. */
  readonly forget: () => void
  /** The next `catchUp` reads from these offsets. */
  readonly seek: (places: ReadonlyArray<number>) => void
  /** The next offset of each partition. */
  readonly places: () => ReadonlyArray<number>
  /** Reads up to the end that the topic has when this is called. */
  readonly catchUp: Effect.Effect<void, KafkaFailure>
}

/** What the messages of a topic say of keys. */
export interface KeyedMessages {
  readonly keyOf: (message: Message) => KeyedRecord | undefined
  /** The hour that the answer to a repeated key names; empty where there is none. */
  readonly tsOf: (message: Message) => string
}

const weatherMessages: KeyedMessages = {
  keyOf,
  tsOf: (message) => Option.match(recordOf(message), { onNone: () => "", onSome: ({ ts }) => ts })
}

const eventsIn = (places: ReadonlyArray<number>, ends: ReadonlyArray<number>) =>
  ends.reduce((sum, end, partition) => sum + end - (places[partition] ?? 0), 0)

export const make = Effect.fnUntraced(function* (
  consumers: Consumers,
  topic: string,
  keys: IdempotencyIndex.IdempotencyIndex,
  keysMax: number,
  now: () => number,
  { keyOf, tsOf }: KeyedMessages = weatherMessages
) {
  const cluster = yield* Cluster
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const lock = yield* Semaphore.make(1)
  let places: Array<number> = []
  let sought: ReadonlyArray<number> | undefined

  const take = (message: Message) => {
    const { partition, offset, timestamp } = message
    if (offset < (places[partition] ?? 0)) return undefined
    places[partition] = offset + 1
    keys.reached(partition, offset + 1)
    const keyed = keyOf(message)
    if (keyed === undefined) return undefined
    const at = { acceptedAt: timestamp ?? 0, ts: () => tsOf(message) }
    return keys.read(keyed, { partition, offset }, at) ? undefined : message
  }

  const isAtEnd = (ends: ReadonlyArray<number>, { ended }: Cursor) =>
    ends.every((end, partition) => (places[partition] ?? 0) >= end || (ended.get(partition) ?? -1) >= end)

  const read = Effect.fnUntraced(function* (ends: ReadonlyArray<number>) {
    const behind = ends.flatMap((end, partition) => {
      const offset = places[partition] ?? 0
      return offset < end ? [{ partition, offset }] : []
    })
    if (behind.length === 0) return
    const cursor = yield* consumers.open(behind)
    let lastRead = monotonicMillisUnsafe(clock)
    while (!isAtEnd(ends, cursor)) {
      const messages = yield* cursor.next
      if (messages.length > 0) lastRead = monotonicMillisUnsafe(clock)
      // After a broker restart, a consumer can wait endlessly for a topic that was missing once; a new one does not.
      if (monotonicMillisUnsafe(clock) - lastRead > cluster.timeout)
        return yield* cluster.failure({ code: codes.timedOut }, topic)
      for (const message of messages) {
        const duplicate = take(message)
        if (duplicate === undefined) continue
        yield* Effect.logWarning(
          `The record at partition ${duplicate.partition}, offset ${duplicate.offset} of the topic ${topic} is a duplicate: it was already logged with the same Idempotency-Key. It was delivered after its request was answered, or by another server at the same time.`
        )
      }
      yield* Effect.yieldNow
    }
    for (const [partition, end] of ends.entries()) places[partition] = Math.max(places[partition] ?? 0, end)
  }, Effect.scoped)

  const countOf = Effect.map(cluster.describe(topic), ({ partitions }) => partitions.length)

  /** The offsets of the last `keysMax` events, found by time, and of at most 24 hours. */
  const windowOf = Effect.fnUntraced(function* (ends: ReadonlyArray<number>) {
    const since = (at: number) =>
      Effect.map(cluster.offsets(topic, ends.length, at), (offsets) =>
        // -1: no event is that recent.
        ends.map((end, partition) => ((offsets[partition] ?? -1) < 0 ? end : (offsets[partition] ?? end)))
      )
    let young = now()
    let old = young - IdempotencyIndex.kept
    let window = yield* since(old)
    while (eventsIn(window, ends) > keysMax && young - old > windowTolerance) {
      const middle = Math.floor((old + young) / 2)
      const shorter = yield* since(middle)
      if (eventsIn(shorter, ends) < keysMax) young = middle
      else {
        old = middle
        window = shorter
      }
    }
    return window.map((first, partition) => Math.max(first, (ends[partition] ?? 0) - keysMax))
  })

  const toWindow = Effect.gen(function* () {
    const count = yield* countOf
    const starts = yield* cluster.offsets(topic, count, "start")
    const ends = yield* cluster.offsets(topic, count, "end")
    const window = yield* windowOf(ends)
    places = window.map((first, partition) => Math.max(starts[partition] ?? 0, first - maxRequestRecords))
    sought = undefined
    for (const [partition, end] of ends.entries()) keys.reached(partition, end)
    return eventsIn(places, ends)
  })

  const readToEnd = Effect.flatMap(countOf, (count) => Effect.flatMap(cluster.offsets(topic, count, "end"), read))

  const readSought = Effect.suspend(() => {
    if (sought !== undefined) places = [...sought]
    sought = undefined
    return readToEnd
  }).pipe(
    Effect.catchIf(
      ({ code }) => code === codes.offsetReset || code === codes.offsetOutOfRange,
      () => Effect.andThen(toWindow, readToEnd)
    )
  )

  // Callers during a running read share the next one, which sees everything that was logged before they called.
  let next: Deferred.Deferred<void, KafkaFailure> | undefined
  const catchUp = Effect.uninterruptibleMask((restore) => {
    if (next !== undefined) return restore(Deferred.await(next))
    const deferred = Deferred.makeUnsafe<void, KafkaFailure>()
    next = deferred
    const reading = lock.withPermit(
      Effect.suspend(() => {
        next = undefined
        return readSought
      })
    )
    return restore(reading).pipe(
      Effect.onExit((exit) => Deferred.done(deferred, exit)),
      Effect.forkIn(scope),
      Effect.andThen(restore(Deferred.await(deferred)))
    )
  })

  return {
    toWindow: lock.withPermit(toWindow),
    forget: keys.clear,
    seek: (from) => {
      sought = from
    },
    places: () => sought ?? places,
    catchUp
  } satisfies KeyIndexer
})
