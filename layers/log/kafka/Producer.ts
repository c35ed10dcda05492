/** The idempotent producer: what is handed to it is acknowledged by all replicas, or reported as not delivered. */
import type { ClientConfig, Header, KafkaError } from "@confluentinc/kafka-javascript"
import { Effect, type Scope } from "effect"
import type { Cluster } from "./Cluster.ts"
import { ask, codeOf } from "./client.ts"
import { codes, type KafkaFailure, reasonOfLine } from "./failures.ts"

/**
 * Milliseconds for which a message waits for others. At 64 appends in flight 1 ms gives nearly the throughput of 0 at a third of
 * the processor's time, and 5 ms gives a quarter of it.
 */
const linger = 1
/** The client's own limit. */
const batchBytes = 1_000_000
/** More than the log ever has in flight. */
const queueMessages = 200_000

/** Messages that belong together. */
export interface Batch {
  /** Messages of which nothing was reported yet. */
  open: number
  /** The last failure of one of them. */
  failure: KafkaError | undefined
  /** How many of them the broker found too large. */
  tooLarge: number
  readonly delivered: (index: number, partition: number, offset: number) => void
  /** Once nothing is open. */
  readonly done: () => void
}

export interface Producer {
  /** Hands a message over; throws if it is not taken. */
  readonly send: (
    batch: Batch,
    index: number,
    value: Buffer,
    key: string | null,
    acceptedAt: number,
    headers?: ReadonlyArray<Header>
  ) => void
  /** Why the connections fail, as the end of a sentence, if they said so lately. */
  readonly seen: () => string | undefined
}

export interface Trouble {
  /** This producer can deliver nothing any more. */
  readonly fatal: boolean
  readonly cause: unknown
}

/** One to whom a restarting broker said that there is no such topic believes it for long after the topic is back. */
const isDeadly = (code: number | undefined) => code === codes.fatal || code === codes.unknownTopic

interface Opaque {
  readonly batch: Batch
  readonly index: number
}

/** Connected until the scope closes. */
export const connect = Effect.fnUntraced(function* (
  cluster: Cluster["Service"],
  topic: string,
  trouble: (trouble: Trouble) => void,
  limit?: number
): Effect.fn.Return<Producer, KafkaFailure, Scope.Scope> {
  const { kafka, config, timeout, failure } = cluster
  let seen: string | undefined
  const settings: ClientConfig = {
    ...config,
    "enable.idempotence": true,
    acks: "all",
    "linger.ms": linger,
    // One request at a time to a broker: what comes meanwhile is the next batch, and only one can be late.
    "max.in.flight.requests.per.connection": 1,
    "message.timeout.ms": timeout,
    "request.timeout.ms": timeout,
    "queue.buffering.max.messages": queueMessages,
    // As in Java's producer, so that a key is in the same partition whoever writes it.
    partitioner: "murmur2_random",
    // A batch may be as large as a record.
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
    if (error.message === "all broker connections are down") trouble({ fatal: false, cause: { ...error, code: -187 } })
    if (error.message === "fatal error") trouble({ fatal: true, cause: error })
  })
  client.on("delivery-report", (error, { opaque: { batch, index }, partition, offset }) => {
    if (error === null) {
      seen = undefined
      batch.delivered(index, partition, offset)
    } else {
      batch.failure = error
      if (error.code === codes.recordTooLarge) batch.tooLarge++
      trouble({ fatal: isDeadly(error.code), cause: error })
    }
    if (--batch.open === 0) batch.done()
  })

  yield* Effect.acquireRelease(
    ask((answer) => client.connect({ timeout }, answer)).pipe(Effect.mapError((cause) => failure(cause, topic, seen))),
    () => Effect.ignore(ask((answer) => client.disconnect(1, answer)))
  )
  // Reports come from a thread of the client's, and at once.
  client.setPollInBackground(true)

  return {
    send: (batch, index, value, key, acceptedAt, headers) => {
      try {
        client.produce(topic, null, value, key, acceptedAt, { batch, index }, headers)
      } catch (cause) {
        if (isDeadly(codeOf(cause))) trouble({ fatal: true, cause })
        throw cause
      }
      batch.open++
    },
    seen: () => seen
  }
})
