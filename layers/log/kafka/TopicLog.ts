/**
 * The log on one topic. An append succeeds once all in-sync replicas have its records. While the brokers are known to be
 * down, nothing is given to the producer, so that a rejected append is certainly not logged.
 */
import type { Header } from "@confluentinc/kafka-javascript"
import { Clock, Effect } from "effect"
import {
  type Appended,
  AppendOutcomeUnknown,
  type IdempotencyKey,
  isSameRequest,
  KeyInFlight,
  KeyReused,
  type LogRecord,
  type LogUnavailable,
  type Position,
  type RecordTooLarge
} from "../../../services/EventLog.ts"
import { keysMax, keysShared } from "../../../services/Settings.ts"
import * as ageClock from "../../runtime/ageClock.ts"
import { Cluster } from "./Cluster.ts"
import type { Consumers } from "./Consumer.ts"
import { codes, unavailable } from "./failures.ts"
import * as IdempotencyIndex from "./IdempotencyIndex.ts"
import * as KeyIndexer from "./KeyIndexer.ts"
import * as ProducerSupervisor from "./ProducerSupervisor.ts"
import * as RecordLimit from "./recordLimit.ts"

/** For reading the topic before an append that needs it; the append itself has its own timeout. */
const readTimeout = "3 seconds"

export interface Request<R extends LogRecord> {
  /** At least one. */
  readonly records: ReadonlyArray<R>
  readonly idempotency: IdempotencyKey | undefined
  /** The message key of all records. */
  readonly key: string | null
  /** The message key of each record in its place. */
  readonly keyOf?: ((index: number) => Buffer | string | null) | undefined
  /** `first` has the digest of the first request with the key. */
  readonly headers: (index: number, first?: IdempotencyKey) => ReadonlyArray<Header> | undefined
}

type AppendFailure = LogUnavailable | AppendOutcomeUnknown | RecordTooLarge | KeyReused | KeyInFlight

interface TopicLog<R extends LogRecord> {
  readonly append: (request: Request<R>) => Effect.Effect<Appended, AppendFailure>
  /** Fails as `append` would that logs nothing of this request, and logs nothing. */
  readonly check: (request: Request<R>) => Effect.Effect<void, AppendFailure>
  /** Fails if the key was used for another request, or is in flight. */
  readonly checkKey: (idempotency: IdempotencyKey) => Effect.Effect<void, AppendFailure>
  readonly ready: Effect.Effect<void, LogUnavailable>
}

interface Options<R extends LogRecord> {
  readonly topic: string
  readonly consumers: Consumers
  readonly messages?: KeyIndexer.KeyedMessages
  readonly connect?: ProducerSupervisor.Connect
  readonly budget?: IdempotencyIndex.KeyBudget
  /** The hour that answers name; empty if records have none. */
  readonly tsOf: (record: R | undefined) => string
  /** The record with the hour of the first request with its key. */
  readonly withTs: (record: R, ts: string) => R
}

const stillUnknown = (reason: string, cause: unknown) =>
  new AppendOutcomeUnknown({
    operation: "append",
    reason: `the outcome of the first request with this key is still unknown: ${reason}`,
    cause
  })

export const make = Effect.fnUntraced(function* <R extends LogRecord>(options: Options<R>) {
  const { topic, consumers, tsOf, withTs } = options
  const clock = yield* Clock.Clock
  const cluster = yield* Cluster
  const max = yield* keysMax
  const shared = yield* keysShared
  const now = () => clock.currentTimeMillisUnsafe()

  const keys = IdempotencyIndex.make(max, ageClock.make(clock, IdempotencyIndex.kept), options.budget)
  const indexer = yield* KeyIndexer.make(consumers, topic, keys, max, now, options.messages)
  const limit = yield* RecordLimit.make(topic)
  const supervisor = yield* ProducerSupervisor.make(topic, indexer, shared, limit, options.connect)
  const { sender } = supervisor

  const reached = (_: number, { partition, offset }: Position) => keys.reached(partition, offset + 1)

  const unkeyed = ({ records, key, keyOf, headers }: Request<R>) => {
    const sent = sender.send({ records, key, keyOf, headers, acceptedAt: now(), onDelivered: reached, onEnd: () => {} })
    return Effect.map(
      sent,
      (positions): Appended => ({
        positions: IdempotencyIndex.runsOf(positions),
        ts: tsOf(records[0]),
        repeated: false
      })
    )
  }

  /** Sends the records of a request that the topic lacks, synchronously, so that an interruption cannot split them. */
  const complete = (
    { records, key, keyOf, headers }: Request<R>,
    idempotency: IdempotencyKey,
    receipt: IdempotencyIndex.Receipt,
    isNew: boolean
  ) => {
    const missing = [...records.keys()].filter((index) => receipt.parts !== undefined && !receipt.parts.has(index))
    const indexOf = (i: number) => missing[i] ?? 0
    const before = keys.ends()
    receipt.busy = true
    const sent = sender.send({
      records: missing.flatMap((index) => {
        const record = records[index]
        return record === undefined ? [] : [withTs(record, receipt.ts)]
      }),
      key,
      keyOf: keyOf === undefined ? undefined : (i) => keyOf(indexOf(i)),
      headers: (i) => headers(indexOf(i), { key: idempotency.key, digest: receipt.digest }),
      acceptedAt: now(),
      onDelivered: (i, position) => {
        reached(i, position)
        keys.placed(receipt, indexOf(i), position)
      },
      onEnd: (outcome) => {
        receipt.busy = false
        if (outcome === "rejected" && isNew) keys.forget(idempotency.key, receipt)
        if (outcome === "unknown") supervisor.markUnknown(receipt, before)
      }
    })
    return sent.pipe(
      Effect.mapError((error) =>
        isNew || error._tag === "AppendOutcomeUnknown"
          ? error
          : stillUnknown(
              error._tag === "LogUnavailable" ? error.reason.message : error.message.replace(/\.$/, ""),
              error
            )
      ),
      Effect.map((): Appended => ({ positions: receipt.positions, ts: receipt.ts, repeated: false }))
    )
  }

  const read = indexer.catchUp.pipe(
    Effect.mapError(unavailable("append")),
    Effect.timeoutOrElse({
      duration: readTimeout,
      orElse: () => Effect.fail(unavailable("append")(cluster.failure({ code: codes.timedOut }, topic)))
    })
  )

  const knownResult = (
    receipt: IdempotencyIndex.Receipt | undefined,
    idempotency: IdempotencyKey,
    count: number | undefined
  ): Effect.Effect<Appended, KeyInFlight | KeyReused> | undefined => {
    if (receipt === undefined) return undefined
    if (receipt.busy) return Effect.fail(new KeyInFlight())
    if (!isSameRequest(idempotency, receipt.digest) || (count !== undefined && receipt.count !== count)) {
      return Effect.fail(new KeyReused())
    }
    if (receipt.parts !== undefined) return undefined
    return Effect.succeed({ positions: receipt.positions, ts: receipt.ts, repeated: true })
  }

  /** The outcome of a request that needs nothing sent, once the keys that the topic has are known. */
  const settled = Effect.fnUntraced(function* (idempotency: IdempotencyKey, count: number | undefined) {
    const first = keys.find(idempotency.key, now())
    const known = knownResult(first, idempotency, count)
    if (known !== undefined) return yield* known
    // The first request may have logged a part, so LogUnavailable (nothing was logged) would be wrong.
    const orUnknown = (error: LogUnavailable) =>
      first === undefined ? error : stillUnknown(error.reason.message, error)
    const rejection = sender.rejection(count ?? 0)
    if (rejection !== undefined) return yield* orUnknown(rejection)
    if (shared || (first !== undefined && supervisor.mayBeLate(first))) yield* Effect.mapError(read, orUnknown)
    return undefined
  })

  const keyed = Effect.fnUntraced(function* (request: Request<R>, idempotency: IdempotencyKey) {
    const { records } = request
    const { key } = idempotency
    const done = yield* settled(idempotency, records.length)
    if (done !== undefined) return done
    // No yield from here to the send: nothing else may run between the lookup and the send.
    const receipt = keys.find(key, now())
    const result = knownResult(receipt, idempotency, records.length)
    if (result !== undefined) return yield* result
    const made = receipt ?? keys.begin(idempotency, records.length, tsOf(records[0]), now())
    return yield* complete(request, idempotency, made, receipt === undefined)
  })

  const append: TopicLog<R>["append"] = (request) => {
    const { idempotency } = request
    return idempotency === undefined ? Effect.suspend(() => unkeyed(request)) : keyed(request, idempotency)
  }

  const checkKey = Effect.fnUntraced(function* (idempotency: IdempotencyKey) {
    yield* settled(idempotency, undefined)
    const known = knownResult(keys.find(idempotency.key, now()), idempotency, undefined)
    if (known !== undefined) yield* known
  })

  const check: TopicLog<R>["check"] = Effect.fnUntraced(function* (request) {
    if (request.idempotency !== undefined) yield* checkKey(request.idempotency)
    const failure = sender.rejection(request.records.length) ?? sender.tooLarge(request)
    if (failure !== undefined) return yield* failure
  })

  return { append, check, checkKey, ready: supervisor.ready } satisfies TopicLog<R>
})
