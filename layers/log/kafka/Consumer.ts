/** Messages of a topic from given offsets on. No group, no commits: who reads knows where. */
import type { ClientConfig, KafkaConsumer, Message } from "@confluentinc/kafka-javascript"
import { Effect, Exit, type Scope } from "effect"
import type { Cluster, Isolation } from "./Cluster.ts"
import { ask } from "./client.ts"
import type { KafkaFailure } from "./failures.ts"

/** Messages in a piece: some 5 ms of work. */
const piece = 2_000
/** Kilobytes that a consumer may have fetched ahead of its reader. */
const ahead = 16_384
/** Milliseconds for which a broker holds a request that finds nothing; a reader that starts anew waits for the one before. */
const held = 50
/** A consumer is woken by what comes; it looks by itself as often, in milliseconds, to notice that brokers are away. */
const look = 500
/** Consumers kept for the next reader, as making one takes 60 ms. */
const maxIdle = 2

interface Place {
  readonly partition: number
  readonly offset: number
}

export interface Cursor {
  /** Starts anew at these places. */
  readonly seek: (places: ReadonlyArray<Place>) => void
  /** Waits for messages; none, if a partition came to its end or the look time is over. */
  readonly next: Effect.Effect<ReadonlyArray<Message>, KafkaFailure>
  /** The offset behind the last of a partition that was read to its end, counting what is no message of ours. */
  readonly ended: ReadonlyMap<number, number>
}

export interface Consumers {
  readonly open: (places: ReadonlyArray<Place>) => Effect.Effect<Cursor, KafkaFailure, Scope.Scope>
}

interface Idle {
  readonly consumer: KafkaConsumer
  readonly ended: Map<number, number>
  wake: () => void
  /** Something came since the last look. */
  more: boolean
  downSince: number | undefined
}

export const make = Effect.fnUntraced(function* (
  cluster: Cluster["Service"],
  topic: string,
  isolation: Isolation = "read_uncommitted"
) {
  const { kafka, config, failure, timeout } = cluster
  const idle: Array<Idle> = []
  let closed = false

  const connect = Effect.gen(function* () {
    const ended = new Map<number, number>()
    const settings: ClientConfig = {
      ...config,
      // The client wants one; it is never joined.
      "group.id": "floe",
      "enable.auto.commit": false,
      "enable.auto.offset.store": false,
      "auto.offset.reset": "error",
      "enable.partition.eof": true,
      "isolation.level": isolation,
      "allow.auto.create.topics": false,
      "queued.max.messages.kbytes": ahead,
      "fetch.wait.max.ms": held,
      queue_non_empty_cb: () => {
        one.more = true
        one.wake()
      }
    }
    const consumer = yield* Effect.try({
      try: () => new kafka.KafkaConsumer(settings),
      catch: (cause) => failure(cause, topic)
    })
    const one: Idle = { consumer, ended, wake: () => {}, more: true, downSince: undefined }
    consumer.on("event.error", ({ message }) => {
      if (message === "all broker connections are down") one.downSince ??= performance.now()
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
      if (one.more) return resume(Effect.void)
      const timer = setTimeout(() => one.wake(), look)
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

  /** Brokers that are away for longer than an append may take are a failure; shorter, nobody notices. */
  const confirm = Effect.fnUntraced(function* (one: Idle) {
    if (one.downSince === undefined || performance.now() - one.downSince < timeout) return
    yield* cluster.describe(topic)
    one.downSince = undefined
  })

  const cursorOf = (one: Idle): Cursor => ({
    ended: one.ended,
    seek: (places) => {
      one.ended.clear()
      one.more = true
      one.consumer.assign(places.map(({ partition, offset }) => ({ topic, partition, offset })))
    },
    next: Effect.gen(function* () {
      yield* waiting(one)
      one.more = false
      const messages = yield* ask<ReadonlyArray<Message>>((answer) => one.consumer.consume(piece, answer)).pipe(
        Effect.mapError((cause) => failure(cause, topic))
      )
      if (messages.length > 0) {
        one.more = true
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
