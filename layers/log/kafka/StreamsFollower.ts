/** One consumer that follows the topic of streams, so that asking for them costs nothing. It starts with the first question. */
import { Clock, Deferred, Effect, Latch, Schema } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { Cluster } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import { folding, noStreams, type StreamHistories } from "./streamRecords.ts"

/** Between two looks for a topic that is missing, or for a broker that is down. */
const lookInterval = "1 second"
/** Milliseconds between two looks whether the topic was deleted and created again. */
const confirmInterval = 5_000
/** Milliseconds until the second look, where the topic has records that the consumer did not give. */
const behindInterval = 1_000
/** For what this process wrote to be read again. */
const readLimit = "10 seconds"

interface Seen {
  readonly streams: StreamHistories
  /** The topic's id, and the offset up to which it is read; neither while there is no topic. */
  readonly id: string | undefined
  readonly next: number
}

/** The topic has records that the consumer does not give: it may wait endlessly for a topic that a starting broker did not know. */
class ConsumerStuck extends Schema.TaggedError<ConsumerStuck>()("ConsumerStuck", {}) {}

export const following = Effect.fnUntraced(function* (topic: string, consumers: Consumer.Consumers) {
  const cluster = yield* Cluster
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const looked = yield* Latch.make()
  let seen: Seen | undefined
  let change = Deferred.makeUnsafe<void, KafkaFailure>()

  const announce = (outcome: Effect.Effect<void, KafkaFailure>) => {
    const before = change
    change = Deferred.makeUnsafe<void, KafkaFailure>()
    Deferred.doneUnsafe(before, outcome)
  }

  const publish = (now: Seen) => {
    if (seen !== undefined && seen.id === now.id && seen.next === now.next) return
    seen = now
    announce(Effect.void)
  }

  /** Undefined if the topic does not exist: nothing was ever applied. */
  const find = cluster.describe(topic).pipe(
    Effect.map(({ id }): string | undefined => id),
    Effect.catchIf(
      ({ code }) => code === codes.topicMissing,
      () => Effect.undefined
    )
  )
  const endOf = Effect.map(cluster.offsets(topic, 1, "end", "read_committed"), ([end = 0]) => end)

  /** Ends when the topic is another one, or when its consumer is to be replaced. */
  const follow = Effect.fnUntraced(
    function* (id: string) {
      const [start = 0] = yield* cluster.offsets(topic, 1, "start")
      const end = yield* endOf
      const { take, state } = folding()
      let next = start
      if (next >= end) publish({ streams: state(), id, next })
      const cursor = yield* consumers.open([{ partition: 0, offset: start }])
      let lookedAt = monotonicMillisUnsafe(clock)
      /** The next offset, where the last look found that the topic has more. */
      let behindAt: number | undefined
      while (true) {
        const messages = yield* cursor.next
        for (const message of messages) take(message)
        next = Consumer.nextOffset(cursor, 0, next, messages)
        if (next >= end) publish({ streams: state(), id, next })
        const interval = behindAt === undefined ? confirmInterval : behindInterval
        if (monotonicMillisUnsafe(clock) - lookedAt < interval) continue
        if ((yield* find) !== id) return
        const isBehind = (yield* endOf) > next
        // A failure, so that the consumer is not kept for the next one.
        if (isBehind && behindAt === next) return yield* new ConsumerStuck()
        behindAt = isBehind ? next : undefined
        lookedAt = monotonicMillisUnsafe(clock)
      }
    },
    Effect.scoped,
    Effect.catchTag("ConsumerStuck", () => Effect.void)
  )

  const look = Effect.gen(function* () {
    const id = yield* find
    if (id !== undefined) return yield* follow(id)
    // A topic that was deleted under a running server leaves it the streams that it knows.
    if (seen === undefined) publish({ streams: noStreams, id, next: 0 })
  })

  const run = Effect.gen(function* () {
    while (true) {
      looked.closeUnsafe()
      yield* Effect.catch(look, (failure) => Effect.sync(() => announce(Effect.fail(failure))))
      yield* Effect.timeoutOption(looked.await, lookInterval)
    }
  })
  const started = yield* Effect.cached(
    Effect.forkIn(
      Effect.tapDefect(run, (defect) => Effect.logError("The streams are no longer followed.", defect)),
      scope
    )
  )

  const changed = Effect.suspend(() => {
    looked.openUnsafe()
    return Deferred.await(change)
  })

  /** The streams as they were read last; waits for the first time that they are. */
  const known = Effect.suspend(() =>
    seen === undefined ? Effect.flatMap(started, () => (seen === undefined ? changed : Effect.void)) : Effect.void
  ).pipe(Effect.map(() => seen?.streams ?? noStreams))

  /** The streams with all that was written before this was called. */
  const upToDate = Effect.gen(function* () {
    yield* known
    const id = yield* find
    if (id === undefined) return noStreams
    const end = yield* endOf
    while (seen === undefined || seen.id !== id || seen.next < end) yield* changed
    return seen.streams
  }).pipe(
    Effect.timeoutOrElse({
      duration: readLimit,
      orElse: () => Effect.fail(cluster.failure({ code: codes.timedOut }, topic))
    })
  )

  return { known, upToDate, find }
})

export const make = Effect.fnUntraced(function* (topic: string) {
  return yield* following(topic, yield* Consumer.make(topic, "read_committed", 500))
})
