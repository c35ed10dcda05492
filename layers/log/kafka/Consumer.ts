/** Reads a topic from given offsets, without a consumer group and without committing offsets. */
import type { ClientConfig, KafkaConsumer, Message } from "@confluentinc/kafka-javascript"
import { Clock, Effect, Exit, type Scope } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { Cluster, type Isolation } from "./Cluster.ts"
import { ask } from "./client.ts"
import type { KafkaFailure } from "./failures.ts"

/** Messages per batch: about 5 ms of work. */
const batchSize = 2_000
const prefetchKilobytes = 16_384
/** Milliseconds that a consumer with a full queue waits before it fetches again; the client's default is a second. */
const fetchBackoff = 10
/** Milliseconds that a broker holds an empty fetch; a consumer that seeks waits for the fetch before. */
const seekingFetchWait = 50
/** Messages wake a consumer; it also polls at this interval (ms), to notice that the brokers are down. */
const pollInterval = 500
/** Consumers kept for the next reader, because creating one takes 60 ms. */
const maxIdle = 2

interface Place {
  readonly partition: number
  readonly offset: number
}

export interface Cursor {
  /** Restarts at these offsets. */
  readonly seek: (places: ReadonlyArray<Place>) => void
  /** Waits for messages; empty at the end of a partition or after the poll interval. */
  readonly next: Effect.Effect<ReadonlyArray<Message>, KafkaFailure>
  /** Whether `next` may have messages without waiting. */
  readonly isReady: () => boolean
  /** The end offset of each partition that was read to its end, control records included. */
  readonly ended: ReadonlyMap<number, number>
}

/** Offset of the next message of a partition after this batch: past its control records too, once it is read to its end. */
export const nextOffset = (
  { ended }: Pick<Cursor, "ended">,
  partition: number,
  before: number,
  batch: ReadonlyArray<Message>
) => Math.max(before, (batch.at(-1)?.offset ?? -1) + 1, ended.get(partition) ?? 0)

export interface Consumers {
  readonly open: (places: ReadonlyArray<Place>) => Effect.Effect<Cursor, KafkaFailure, Scope.Scope>
}

interface Idle {
  readonly consumer: KafkaConsumer
  readonly ended: Map<number, number>
  wake: () => void
  hasMessages: boolean
  downSince: number | undefined
}

export const make = Effect.fnUntraced(function* (
  topic: string,
  isolation: Isolation = "read_uncommitted",
  fetchWait = seekingFetchWait,
  prefetch = prefetchKilobytes
) {
  const { kafka, config, failure, timeout, describe } = yield* Cluster
  const clock = yield* Clock.Clock
  const idle: Array<Idle> = []
  let closed = false

  const connect = Effect.gen(function* () {
    const ended = new Map<number, number>()
    const settings: ClientConfig = {
      ...config,
      "group.id": "floe",
      "enable.auto.commit": false,
      "enable.auto.offset.store": false,
      "auto.offset.reset": "error",
      "enable.partition.eof": true,
      "isolation.level": isolation,
      "allow.auto.create.topics": false,
      "queued.max.messages.kbytes": prefetch,
      "fetch.wait.max.ms": fetchWait,
      "fetch.queue.backoff.ms": fetchBackoff,
      queue_non_empty_cb: () => {
        one.hasMessages = true
        one.wake()
      }
    }
    const consumer = yield* Effect.try({
      try: () => new kafka.KafkaConsumer(settings),
      catch: (cause) => failure(cause, topic)
    })
    const one: Idle = { consumer, ended, wake: () => {}, hasMessages: true, downSince: undefined }
    consumer.on("event.error", ({ message }) => {
      if (message === "all broker connections are down") one.downSince ??= monotonicMillisUnsafe(clock)
    })
    consumer.on("partition.eof", ({ partition, offset }) => ended.set(partition, offset))
    yield* ask((answer) => consumer.connect({ timeout }, answer)).pipe(
      Effect.mapError((cause) => failure(cause, topic))
    )
    consumer.setDefaultConsumeTimeout(0)
    return one
  })

  const disconnect = ({ consumer }: Idle) => Effect.ignore(ask((answer) => consumer.disconnect(answer)))

  const release = (one: Idle, exit: Exit.Exit<unknown, unknown>) => {
    if (closed || Exit.isFailure(exit) || one.downSince !== undefined || idle.length >= maxIdle) return disconnect(one)
    one.consumer.unassign()
    idle.push(one)
    return Effect.void
  }

  const waiting = (one: Idle) =>
    Effect.callback<void>((resume) => {
      if (one.hasMessages) return resume(Effect.void)
      const timer = setTimeout(() => one.wake(), pollInterval)
      one.wake = () => {
        clearTimeout(timer)
        one.wake = () => {}
        resume(Effect.void)
      }
      return Effect.sync(() => {
        clearTimeout(timer)
        one.wake = () => {}
      })
    })

  /** Fails once the brokers have been down for longer than an append may take; shorter outages are ignored. */
  const confirm = Effect.fnUntraced(function* (one: Idle) {
    if (one.downSince === undefined || monotonicMillisUnsafe(clock) - one.downSince < timeout) return
    yield* describe(topic)
    one.downSince = undefined
  })

  const cursorOf = (one: Idle): Cursor => ({
    ended: one.ended,
    isReady: () => one.hasMessages,
    seek: (places) => {
      one.ended.clear()
      one.hasMessages = true
      one.consumer.assign(places.map(({ partition, offset }) => ({ topic, partition, offset })))
    },
    next: Effect.gen(function* () {
      yield* waiting(one)
      one.hasMessages = false
      const messages = yield* ask<ReadonlyArray<Message>>((answer) => one.consumer.consume(batchSize, answer)).pipe(
        Effect.mapError((cause) => failure(cause, topic))
      )
      if (messages.length > 0) {
        one.hasMessages = true
        one.downSince = undefined
      } else yield* confirm(one)
      return messages
    })
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closed = true
      return Effect.forEach(idle, disconnect, { concurrency: "unbounded" })
    })
  )

  const open: Consumers["open"] = Effect.fnUntraced(function* (places) {
    const one = yield* Effect.acquireRelease(
      Effect.suspend(() => {
        const kept = idle.pop()
        return kept === undefined ? connect : Effect.succeed(kept)
      }),
      release
    )
    const cursor = cursorOf(one)
    yield* Effect.try({ try: () => cursor.seek(places), catch: (cause) => failure(cause, topic) })
    return cursor
  })
  return { open } satisfies Consumers
})
