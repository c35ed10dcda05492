/** Reads the topic after the log's own writing, to learn which keys are in it. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Clock, Deferred, Effect, Option, Semaphore } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import type { Cluster } from "./Cluster.ts"
import type { Consumers, Cursor } from "./Consumer.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import * as IdempotencyIndex from "./IdempotencyIndex.ts"
import { keyOf, recordOf } from "./records.ts"

/** Records of one request that the HTTP API takes: a request that begins before the window is seen whole. */
const longest = 10_000
/** Milliseconds by which the beginning of the window is known well enough. */
const exactness = 100

export interface KeyIndexer {
  /** Goes back to where the keys that are kept begin; the answer is the number of events from there to the end. */
  readonly toWindow: Effect.Effect<number, KafkaFailure>
  /** Of all that was read nothing counts any more. */
  readonly forget: () => void
  /** Reads from these offsets on from the next look on. */
  readonly seek: (places: ReadonlyArray<number>) => void
  /** The next offset to read of each partition. */
  readonly places: () => ReadonlyArray<number>
  /** Reads up to the end that the topic has when it is asked for. */
  readonly catchUp: Effect.Effect<void, KafkaFailure>
}

const eventsIn = (places: ReadonlyArray<number>, ends: ReadonlyArray<number>) =>
  ends.reduce((sum, end, partition) => sum + end - (places[partition] ?? 0), 0)

export const make = Effect.fnUntraced(function* (
  cluster: Cluster["Service"],
  consumers: Consumers,
  topic: string,
  keys: IdempotencyIndex.IdempotencyIndex,
  keysMax: number,
  now: () => number
) {
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  const one = yield* Semaphore.make(1)
  let places: Array<number> = []
  let sought: ReadonlyArray<number> | undefined

  /** The same record a second time, if it is. */
  const take = (message: Message) => {
    const { partition, offset, timestamp } = message
    if (offset < (places[partition] ?? 0)) return undefined
    places[partition] = offset + 1
    keys.reached(partition, offset + 1)
    const keyed = keyOf(message)
    if (keyed === undefined) return undefined
    const ts = () => Option.match(recordOf(message), { onNone: () => "", onSome: ({ ts }) => ts })
    return keys.read(keyed, { partition, offset }, { acceptedAt: timestamp ?? 0, ts }) ? undefined : message
  }

  const isThere = (ends: ReadonlyArray<number>, { ended }: Cursor) =>
    ends.every((end, partition) => (places[partition] ?? 0) >= end || (ended.get(partition) ?? -1) >= end)

  const read = Effect.fnUntraced(function* (ends: ReadonlyArray<number>) {
    const behind = ends.flatMap((end, partition) => {
      const offset = places[partition] ?? 0
      return offset < end ? [{ partition, offset }] : []
    })
    if (behind.length === 0) return
    const cursor = yield* consumers.open(behind)
    let heard = monotonicMillisUnsafe(clock)
    while (!isThere(ends, cursor)) {
      const messages = yield* cursor.next
      if (messages.length > 0) heard = monotonicMillisUnsafe(clock)
      // After a restart of the broker a consumer can wait for ever for a topic that it saw missing; the next one does not.
      if (monotonicMillisUnsafe(clock) - heard > cluster.timeout)
        return yield* cluster.failure({ code: codes.timedOut }, topic)
      for (const message of messages) {
        const doubled = take(message)
        if (doubled === undefined) continue
        yield* Effect.logWarning(
          `The record at partition ${doubled.partition}, offset ${doubled.offset} of the topic ${topic} was logged before with the same Idempotency-Key: it was delivered after its request had been answered, or by another server at the same time.`
        )
      }
      yield* Effect.yieldNow
    }
    for (const [partition, end] of ends.entries()) places[partition] = Math.max(places[partition] ?? 0, end)
  }, Effect.scoped)

  const countOf = Effect.map(cluster.describe(topic), ({ partitions }) => partitions.length)

  /** Where the last of so many events begin, by their time, and at most those of 24 hours. */
  const windowOf = Effect.fnUntraced(function* (ends: ReadonlyArray<number>) {
    const since = (at: number) =>
      Effect.map(cluster.offsets(topic, ends.length, at), (found) =>
        // None is as young.
        ends.map((end, partition) => ((found[partition] ?? -1) < 0 ? end : (found[partition] ?? end)))
      )
    let young = now()
    let old = young - IdempotencyIndex.kept
    let window = yield* since(old)
    while (eventsIn(window, ends) > keysMax && young - old > exactness) {
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
    places = window.map((first, partition) => Math.max(starts[partition] ?? 0, first - longest))
    sought = undefined
    for (const [partition, end] of ends.entries()) keys.reached(partition, end)
    return eventsIn(places, ends)
  })

  /** Partitions can be added at any time. */
  const readToEnd = Effect.flatMap(countOf, (count) => Effect.flatMap(cluster.offsets(topic, count, "end"), read))

  const look = Effect.suspend(() => {
    if (sought !== undefined) places = [...sought]
    sought = undefined
    return readToEnd
  }).pipe(
    // The topic was cut, or made anew: what is left of it is read.
    Effect.catchIf(
      ({ code }) => code === codes.offsetReset || code === codes.offsetOutOfRange,
      () => Effect.andThen(toWindow, readToEnd)
    )
  )

  /** Those who ask while one look is under way wait for the next, which sees all that was logged before they asked. */
  let next: Deferred.Deferred<void, KafkaFailure> | undefined
  const catchUp = Effect.uninterruptibleMask((restore) => {
    if (next !== undefined) return restore(Deferred.await(next))
    const mine = Deferred.makeUnsafe<void, KafkaFailure>()
    next = mine
    const looking = one.withPermit(
      Effect.suspend(() => {
        next = undefined
        return look
      })
    )
    return restore(looking).pipe(
      Effect.onExit((exit) => Deferred.done(mine, exit)),
      Effect.forkIn(scope),
      Effect.andThen(restore(Deferred.await(mine)))
    )
  })

  return {
    toWindow: one.withPermit(toWindow),
    forget: keys.clear,
    seek: (from) => {
      sought = from
    },
    places: () => sought ?? places,
    catchUp
  } satisfies KeyIndexer
})
