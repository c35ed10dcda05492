/**
 * The producer of one processor and partition. Connecting it fences the one that had its `transactional.id` before, and ends
 * what that left open. After any failure its outcome is unknown and it cannot be used any more: connect another one, and read
 * from the topic what was committed.
 */
import type { Header } from "@confluentinc/kafka-javascript"
import { Effect } from "effect"
import { largestRecord } from "../../../services/Topics.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import { ask, codeOf } from "../../log/kafka/client.ts"
import type { Reason } from "../../log/kafka/failures.ts"
import { because, codes, KafkaFailure, reasonOfLine } from "../../log/kafka/failures.ts"

/** Milliseconds. The broker aborts what a dead worker left open after this, if no other worker does so sooner. */
const transactionTimeout = 60_000
/** Milliseconds; a broker that restarts may take longer, and then the worker begins again. */
const callTimeout = 15_000
const abortTimeout = 2_000
const batchBytes = 1_000_000

/** Another copy has the `transactional.id` now: librdkafka's code, and the broker's. */
const fencedCodes = new Set<number | undefined>([-144, 47, 90])
export const isFenced = ({ code }: KafkaFailure) => fencedCodes.has(code)

export interface TransactionalProducer {
  readonly begin: Effect.Effect<void, KafkaFailure>
  /** Between `begin` and `commit`. A null value is a tombstone; `timestamp` in milliseconds since 1970. Throws errors of the client. */
  readonly produce: (
    topic: string,
    partition: number,
    value: Buffer | null,
    key: Buffer | null,
    timestamp: number,
    headers?: ReadonlyArray<Header>
  ) => void
  /** Runs what produces messages of the open transaction, and aborts it if that throws. Fails with what was thrown, or a KafkaFailure. */
  readonly within: (run: () => void) => Effect.Effect<void, unknown>
  /** Bytes of the values that the open transaction has: the client keeps them in memory until the broker has them. */
  readonly bytes: () => number
  /** Durable when it returns. */
  readonly commit: Effect.Effect<void, KafkaFailure>
  /** So that readers need not wait for the broker to do it. Ignores failures. */
  readonly abort: Effect.Effect<void>
}

/** Until the scope closes; `topic` is named in failures. */
export const connect = Effect.fnUntraced(function* (transactionalId: string, topic: string) {
  const { brokers, kafka, config, timeout, failure } = yield* Cluster
  let seen: Reason | undefined
  let tooSmall: string | undefined
  const failed = (cause: unknown) => {
    if (tooSmall === undefined) return failure(cause, topic, seen)
    const reason = `records are larger than the topic ${tooSmall} takes; kafka-configs --bootstrap-server ${brokers} --alter --topic ${tooSmall} --add-config max.message.bytes=${largestRecord} allows it`
    return new KafkaFailure({ reason: because(reason), code: codes.recordTooLarge, cause })
  }
  const client = yield* Effect.try({
    try: () =>
      new kafka.Producer<undefined>({
        ...config,
        "transactional.id": transactionalId,
        "enable.idempotence": true,
        acks: "all",
        "transaction.timeout.ms": Math.max(transactionTimeout, timeout + 1_000),
        "linger.ms": 5,
        "batch.size": batchBytes,
        // One event can close all windows, and all of that is one transaction.
        "queue.buffering.max.messages": 0,
        "queue.buffering.max.kbytes": 2_000_000,
        "allow.auto.create.topics": false,
        dr_cb: true,
        "delivery.report.only.error": true
      }),
    catch: failed
  })
  client.on("event.log", ({ message }) => {
    seen = reasonOfLine(message) ?? seen
  })
  client.on("delivery-report", (error, { topic }) => {
    if (error?.code === codes.recordTooLarge) tooSmall = topic
  })
  // Without a listener an error event would end the process; each call reports its own failure.
  client.on("event.error", () => {})
  const call = (run: Parameters<typeof ask<void>>[0]) => Effect.mapError(ask<void>(run), failed)
  const abort = call((answer) => client.abortTransaction(abortTimeout, answer))
  const failureOf = (cause: unknown) => (codeOf(cause) === undefined ? cause : failed(cause))

  yield* Effect.acquireRelease(
    Effect.mapError(
      ask((answer) => client.connect({ timeout }, answer)),
      failed
    ),
    () => Effect.ignore(ask((answer) => client.disconnect(1, answer)))
  )
  client.setPollInBackground(true)
  yield* call((answer) => client.initTransactions(callTimeout, answer))

  let bytes = 0
  const producer: TransactionalProducer = {
    begin: Effect.tap(
      call((answer) => client.beginTransaction(answer)),
      () => Effect.sync(() => (bytes = 0))
    ),
    produce: (topic, partition, value, key, timestamp, headers) => {
      bytes += value?.length ?? 0
      try {
        client.produce(topic, partition, value, key, timestamp, undefined, headers)
      } catch (cause) {
        if (codeOf(cause) === codes.recordTooLarge) tooSmall = topic
        throw cause
      }
    },
    bytes: () => bytes,
    within: (run) =>
      Effect.catch(Effect.try({ try: run, catch: (cause) => cause }), (cause) =>
        Effect.matchEffect(abort, {
          onSuccess: () => Effect.fail(failureOf(cause)),
          // `produce` only says that there was a fatal error; the end of the transaction says which.
          onFailure: (ended) => Effect.fail(codeOf(cause) === codes.fatal ? ended : failureOf(cause))
        })
      ),
    commit: call((answer) => client.commitTransaction(callTimeout, answer)),
    abort: Effect.ignore(abort)
  }
  return producer
})
