/** Reads the topic after the log's own writing, to learn which keys are in it. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Deferred, Effect, Option, Semaphore } from "effect"
import type { Cluster } from "./Cluster.ts"
import type { Consumers, Cursor } from "./Consumer.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import * as Keys from "./Keys.ts"
import { keyOf, recordOf } from "./records.ts"

/** Records of one request that the HTTP API takes: a request that begins before the window is seen whole. */
const longest = 10_000

export interface Tail {
  /** Goes back to where the keys that are kept begin; the answer is the number of events from there to the end. */
  readonly toWindow: Effect.Effect<number, KafkaFailure>
  /** Of all that was read nothing counts any more. */
  readonly forget: () => void
  /** Reads from these offsets on next. */
  readonly seek: (places: ReadonlyArray<number>) => void
  /** The next offset to read of each partition. */
  readonly places: () => ReadonlyArray<number>
  /** Reads up to the end that the topic has when it is asked for. */
  readonly catchUp: Effect.Effect<void, KafkaFailure>
}

export const make = Effect.fnUntraced(function* (
  cluster: Cluster["Service"],
  consumers: Consumers,
  topic: string,
  keys: Keys.Keys,
  keysMax: number,
  now: () => number
) {
  const scope = yield* Effect.scope
  const one = yield* Semaphore.make(1)
  let places: Array<number> = []

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
    while (!isThere(ends, cursor)) {
      for (const message of yield* cursor.next) {
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

  const toWindow = Effect.gen(function* () {
    const count = (yield* cluster.describe(topic)).partitions.length
    const [starts, ends, recent] = yield* Effect.all([
      cluster.offsets(topic, count, "start"),
      cluster.offsets(topic, count, "end"),
      cluster.offsets(topic, count, now() - Keys.kept)
    ])
    places = ends.map((end, partition) => {
      const since = recent[partition] ?? -1
      const first = Math.max(since < 0 ? end : since, end - keysMax)
      return Math.max(starts[partition] ?? 0, first - longest)
    })
    for (const [partition, end] of ends.entries()) keys.reached(partition, end)
    return ends.reduce((sum, end, partition) => sum + end - (places[partition] ?? 0), 0)
  })

  const look = Effect.suspend(() => cluster.offsets(topic, places.length, "end")).pipe(
    Effect.flatMap(read),
    // The topic was cut, or made anew: what is left of it is read.
    Effect.catchIf(
      ({ code }) => code === codes.noOffset || code === codes.offsetOutOfRange,
      () => Effect.andThen(toWindow, Effect.flatMap(cluster.offsets(topic, places.length, "end"), read))
    )
  )

  /** Those who ask while one look is under way wait for the next, which sees all that was logged before they asked. */
  let next: Deferred.Deferred<void, KafkaFailure> | undefined
  const catchUp = Effect.suspend(() => {
    if (next !== undefined) return Deferred.await(next)
    const mine = Deferred.makeUnsafe<void, KafkaFailure>()
    next = mine
    const looking = one.withPermit(
      Effect.suspend(() => {
        next = undefined
        return look
      })
    )
    return looking.pipe(
      Effect.onExit((exit) => Deferred.done(mine, exit)),
      Effect.forkIn(scope),
      Effect.andThen(Deferred.await(mine))
    )
  })

  return {
    toWindow,
    forget: keys.clear,
    seek: (from) => {
      places = [...from]
    },
    places: () => places,
    catchUp
  } satisfies Tail
})
