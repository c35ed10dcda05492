/** The idempotent producer: each message is either acknowledged by all in-sync replicas or reported as failed. */
import type { ClientConfig, Header, KafkaError } from "@confluentinc/kafka-javascript"
import { Effect, type Scope } from "effect"
import { Cluster } from "./Cluster.ts"
import { ask, codeOf } from "./client.ts"
import { codes, type KafkaFailure, type Reason, reasonOfLine } from "./failures.ts"

/** Measured with 64 appends in flight: 1 ms has nearly the throughput of 0 with a third of the CPU time; 5 ms has a quarter. */
const linger = 1
const batchBytes = 1_000_000
/** More than the log ever has in flight (see Sender). */
const queueMessages = 200_000

/** Messages that are reported together. */
export interface Batch {
  /** Messages without a delivery report. */
  open: number
  /** The last failed report. */
  failure: KafkaError | undefined
  /** Messages that the broker rejected as too large. */
  tooLarge: number
  readonly delivered: (index: number, partition: number, offset: number) => void
  /** Called after the last report. */
  readonly done: () => void
}

export interface Producer {
  /** Enqueues a message, without a value a tombstone; throws if the client does not accept it. */
  readonly send: (
    batch: Batch,
    index: number,
    value: Buffer | null,
    key: Buffer | string | null,
    acceptedAt: number,
    headers?: ReadonlyArray<Header>
  ) => void
  /** The last connection error, as the end of a sentence, until a delivery succeeds. */
  readonly seen: () => Reason | undefined
}

export interface Trouble {
  /** This producer can no longer deliver anything. */
  readonly fatal: boolean
  readonly cause: unknown
}

/** After a restarting broker reports an unknown topic, a producer keeps believing it long after the topic is back. */
const isFatal = (code: number | undefined) => code === codes.fatal || code === codes.unknownTopic

interface Opaque {
  readonly batch: Batch
  readonly index: number
}

/** Connects until the scope closes. */
export const connect = Effect.fnUntraced(function* (
  topic: string,
  onTrouble: (trouble: Trouble) => void,
  limit?: number
): Effect.fn.Return<Producer, KafkaFailure, Cluster | Scope.Scope> {
  const { kafka, config, timeout, failure } = yield* Cluster
  let seen: Reason | undefined
  const settings: ClientConfig = {
    ...config,
    "enable.idempotence": true,
    acks: "all",
    "linger.ms": linger,
    // One request in flight per broker, so that at most one can arrive late.
    "max.in.flight.requests.per.connection": 1,
    "message.timeout.ms": timeout,
    "request.timeout.ms": timeout,
    "queue.buffering.max.messages": queueMessages,
    // The partitioner of Java's producer, so that a key has the same partition for every writer.
    partitioner: "murmur2_random",
    "batch.size": Math.min(batchBytes, limit ?? batchBytes),
    "allow.auto.create.topics": false,
    dr_cb: true
  }
  const client = yield* Effect.try({
    try: () => new kafka.Producer<Opaque>(settings),
    catch: (cause) => failure(cause, topic)
  })

  client.on("event.log", ({ message }) => {
    seen = reasonOfLine(message) ?? seen
  })
  client.on("event.error", (error) => {
    if (error.message === "all broker connections are down")
      onTrouble({ fatal: false, cause: { ...error, code: -187 } })
    if (error.message === "fatal error") onTrouble({ fatal: true, cause: error })
  })
  client.on("delivery-report", (error, { opaque: { batch, index }, partition, offset }) => {
    if (error === null) {
      seen = undefined
      batch.delivered(index, partition, offset)
    } else {
      batch.failure = error
      if (error.code === codes.recordTooLarge) batch.tooLarge++
      onTrouble({ fatal: isFatal(error.code), cause: error })
    }
    if (--batch.open === 0) batch.done()
  })

  yield* Effect.acquireRelease(
    ask((answer) => client.connect({ timeout }, answer)).pipe(Effect.mapError((cause) => failure(cause, topic, seen))),
    () => Effect.ignore(ask((answer) => client.disconnect(1, answer)))
  )
  client.setPollInBackground(true)

  return {
    send: (batch, index, value, key, acceptedAt, headers) => {
      try {
        client.produce(topic, null, value, key, acceptedAt, { batch, index }, headers)
      } catch (cause) {
        if (isFatal(codeOf(cause))) onTrouble({ fatal: true, cause })
        throw cause
      }
      batch.open++
    },
    seen: () => seen
  }
})
