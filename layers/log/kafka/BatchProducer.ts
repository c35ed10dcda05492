/**
 * The log's idempotent producer. It writes Kafka's requests itself, so that a message costs no call into native code and
 * no other thread. One request is in flight per broker; the messages that arrive meanwhile form the next batches.
 */
import type { Header, KafkaError } from "@confluentinc/kafka-javascript"
import type { Connection } from "@platformatic/kafka"
import { Clock, Effect, Latch, type Scope } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { Admin } from "./Admin.ts"
import * as BrokerConnection from "./BrokerConnection.ts"
import { Cluster } from "./Cluster.ts"
import { codes, type KafkaFailure, type Reason } from "./failures.ts"
import * as PartitionQueue from "./PartitionQueue.ts"
import type { Producer, Trouble } from "./Producer.ts"
import { partitionOf } from "./partitioner.ts"
import { initProducerId, type PartitionResult, produce } from "./produceRequest.ts"

const batchBytes = 1_000_000
/** Of all partitions together. */
const requestBytes = 8_000_000
/** More than the log ever has in flight (see Sender). */
const queueMessages = 200_000
/** Milliseconds. */
const checkInterval = 100
/** New partitions are used after this time. */
const metadataInterval = "5 seconds"

/** The leader moved, or replicas are missing: the same batch is sent again. */
const temporary = new Set([2, 3, 5, 6, 7, 8, 13, 14, 19, 20, 56, 74, 75])
/** The broker checked the batch and did not log it, and expects its sequence numbers again: too large, not authorized, invalid. */
const refused = new Set([codes.recordTooLarge, 17, 18, 29, 31, 32, 43, 44, 87])

const noHeaders: ReadonlyArray<Header> = []

/**
 * Connects until the scope closes. A message that is not acknowledged in time, or a lost sequence, ends the producer:
 * all of its messages fail, with an unknown outcome, and it must be replaced.
 */
export const connect = Effect.fnUntraced(function* (
  topic: string,
  onTrouble: (trouble: Trouble) => void,
  limit?: number
): Effect.fn.Return<Producer, KafkaFailure, Admin | Cluster | Scope.Scope> {
  const { timeout, failure } = yield* Cluster
  const { ask } = yield* Admin
  const clock = yield* Clock.Clock
  const now = () => monotonicMillisUnsafe(clock)
  const client = yield* Effect.promise(() => import("@platformatic/kafka"))
  const partitions: Array<PartitionQueue.PartitionQueue> = []
  const stale = yield* Latch.make()
  let queued = 0
  let scheduled = false
  /** Of the messages that are sent in this round of the event loop. */
  let deadline = 0
  let ended: KafkaError | undefined
  let seen: Reason | undefined
  /** Of messages without a key, until a batch is sent. */
  let sticky = 0

  const brokers = yield* BrokerConnection.make(client, topic, now, {
    onFailure: (reason, areAllDown) => {
      seen = reason
      stale.openUnsafe()
      pickSticky()
      if (areAllDown && ended === undefined)
        onTrouble({ fatal: false, cause: { message: reason.message, code: codes.allBrokersDown } })
    },
    onOpen: () => flush()
  })

  const locate = Effect.gen(function* () {
    const metadata = yield* ask(topic, (admin) => admin.metadata({ topics: [topic], forceUpdate: true }))
    brokers.update(metadata.brokers)
    for (const [index, { leader }] of (metadata.topics.get(topic)?.partitions ?? []).entries()) {
      const known = partitions[index]
      if (known === undefined) partitions[index] = PartitionQueue.make(index, leader)
      else known.leader = leader
    }
  })

  const end = (error: KafkaError) => {
    if (ended !== undefined) return
    ended = { message: error.message, code: codes.fatal }
    onTrouble({ fatal: true, cause: error })
    for (const partition of partitions) partition.abandon(error)
  }

  const errorOf = (code: number): KafkaError => ({
    message: `Broker: ${client.protocolErrors[client.protocolErrorsCodesById[code] ?? ""]?.message ?? `error ${code}`}`,
    code
  })

  /** A function, because reports may send the next messages before they return. */
  const reported = (count: number) => {
    queued -= count
  }

  /** False if the batch must be sent again. */
  const settle = ({ partition, code, offset }: PartitionResult) => {
    const queue = partitions[partition]
    if (queue === undefined || ended !== undefined) return true
    if (temporary.has(code)) return false
    if (code === 0) {
      seen = undefined
      reported(queue.accept(offset))
    } else if (refused.has(code) && !queue.isRepeated()) {
      onTrouble({ fatal: false, cause: errorOf(code) })
      reported(queue.refuse(errorOf(code)))
    } else {
      // It may be logged, or the sequence is lost: other messages with its numbers would be taken for a repeat.
      const error = errorOf(code)
      // Only a refusal says that nothing is logged.
      end(code === codes.recordTooLarge ? { ...error, code: codes.fatal } : error)
    }
    return true
  }

  const pickSticky = () => {
    const able = partitions.filter(({ leader }) => brokers.isUsable(leader))
    sticky = able[Math.floor(Math.random() * able.length)]?.partition ?? 0
  }

  const transmit = (broker: BrokerConnection.Broker, connection: Connection, encoding: PartitionQueue.Encoding) => {
    const batches: Array<{ readonly queue: PartitionQueue.PartitionQueue; readonly bytes: Buffer }> = []
    let size = 0
    for (const queue of partitions) {
      if (queue.leader !== broker.id || queue.inFlight || size > requestBytes) continue
      const bytes = queue.next(encoding)
      if (bytes === undefined) continue
      queue.inFlight = true
      size += bytes.length
      batches.push({ queue, bytes })
    }
    broker.busy = true
    pickSticky()
    const sent = batches.map(({ queue: { partition }, bytes }) => ({ partition, bytes }))
    produce(client, connection, topic, sent, timeout, (error, results) => {
      broker.busy = false
      for (const { queue } of batches) queue.inFlight = false
      if (ended !== undefined) return
      if (error !== null || results === undefined) {
        brokers.lost(broker)
        stale.openUnsafe()
      } else if (!results.map(settle).every((isSettled) => isSettled)) {
        brokers.pause(broker)
        stale.openUnsafe()
      }
      schedule()
    })
  }

  let encoding: PartitionQueue.Encoding | undefined
  const flush = () => {
    scheduled = false
    if (ended !== undefined || encoding === undefined || queued === 0) return
    for (const broker of brokers.all()) {
      if (broker.busy || !partitions.some((queue) => queue.leader === broker.id && queue.hasWork())) continue
      const connection = brokers.ready(broker)
      if (connection !== undefined) transmit(broker, connection, encoding)
    }
  }

  /** After this round of the event loop, so that all requests that arrived in it share a batch. */
  const schedule = () => {
    if (scheduled) return
    scheduled = true
    deadline = now() + timeout
    setImmediate(flush)
  }

  let checking: NodeJS.Timeout | undefined
  /** While messages wait: ends the producer when one is late, and tries again what was paused. */
  const check = () => {
    checking = undefined
    if (queued === 0 || ended !== undefined) return
    const oldest = Math.min(...partitions.map((queue) => queue.deadline() ?? Number.POSITIVE_INFINITY))
    if (oldest < now()) return end({ message: "Local: Message timed out", code: codes.messageTimedOut })
    schedule()
    checking = setTimeout(check, checkInterval)
  }

  yield* locate
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      ended ??= { message: "the producer is closed", code: codes.fatal }
      clearTimeout(checking)
    })
  )
  const connection = yield* brokers.first
  const { code, producerId, epoch } = yield* initProducerId(client, connection).pipe(Effect.mapError(brokers.failure))
  if (code !== 0) return yield* failure(errorOf(code), topic)
  const mostBytes = Math.min(batchBytes, limit ?? batchBytes)
  encoding = { producerId, epoch, mostBytes, checksum: client.crc32c }
  yield* Effect.timeoutOption(stale.await, metadataInterval).pipe(
    Effect.andThen(stale.close),
    Effect.andThen(Effect.ignore(locate)),
    Effect.andThen(Effect.sync(flush)),
    Effect.forever,
    Effect.forkScoped
  )

  return {
    send: (batch, index, value, key, timestamp, headers = noHeaders) => {
      if (ended !== undefined) throw Object.assign(new Error(ended.message), { code: ended.code })
      if (queued >= queueMessages) throw Object.assign(new Error("Local: Queue full"), { code: codes.queueFull })
      schedule()
      const bytes = typeof key === "string" ? Buffer.from(key) : key
      const queue = partitions[bytes === null ? sticky : partitionOf(bytes, partitions.length)]
      queue?.add({ batch, index, value, key: bytes, headers, timestamp, deadline })
      batch.open++
      queued++
      checking ??= setTimeout(check, checkInterval)
    },
    seen: () => seen
  }
})
