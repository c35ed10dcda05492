/**
 * The distributed log: a Kafka topic. An append succeeds once all in-sync replicas have its records. While the brokers are
 * known to be down, nothing is given to the producer, so that a rejected append is certainly not logged.
 */
import { Clock, Context, Effect, Layer } from "effect"
import {
  type Appended,
  AppendOutcomeUnknown,
  EventLog,
  EventLogReader,
  type IdempotencyKey,
  isSameRequest,
  KeyInFlight,
  KeyReused,
  type LogUnavailable,
  type Position,
  type WeatherAppend
} from "../../../services/EventLog.ts"
import { keysMax, keysShared, topic } from "../../../services/Settings.ts"
import * as ageClock from "../../runtime/ageClock.ts"
import { Admin } from "./Admin.ts"
import * as BatchProducer from "./BatchProducer.ts"
import { Cluster } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import * as Reader from "./EventLogReader.ts"
import { codes, unavailable } from "./failures.ts"
import * as IdempotencyIndex from "./IdempotencyIndex.ts"
import * as KeyIndexer from "./KeyIndexer.ts"
import { onlyWeather } from "./onlyWeather.ts"
import * as ProducerSupervisor from "./ProducerSupervisor.ts"
import * as RecordLimit from "./recordLimit.ts"
import { headersOf } from "./records.ts"

/** For reading the topic before an append that needs it; the append itself has its own timeout. */
const readTimeout = "3 seconds"

const stillUnknown = (reason: string, cause: unknown) =>
  new AppendOutcomeUnknown({
    operation: "append",
    reason: `the outcome of the first request with this key is still unknown: ${reason}`,
    cause
  })

const noHeaders = () => undefined

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const cluster = yield* Cluster
  const name = yield* topic
  const max = yield* keysMax
  const shared = yield* keysShared
  const now = () => clock.currentTimeMillisUnsafe()

  const consumers = yield* Consumer.make(name)
  const keys = IdempotencyIndex.make(max, ageClock.make(clock, IdempotencyIndex.kept))
  const indexer = yield* KeyIndexer.make(consumers, name, keys, max, now)
  const admin = yield* Admin
  const supervisor = yield* ProducerSupervisor.make(name, indexer, shared, yield* RecordLimit.make(name), (...args) =>
    Effect.provideService(BatchProducer.connect(...args), Admin, admin)
  )
  const { sender } = supervisor

  const reached = (_: number, { partition, offset }: Position) => keys.reached(partition, offset + 1)

  const unkeyed = ({ records }: WeatherAppend) => {
    const sent = sender.send({
      records,
      key: null,
      headers: noHeaders,
      acceptedAt: now(),
      onDelivered: reached,
      onEnd: () => {}
    })
    return Effect.map(
      sent,
      (positions): Appended => ({
        positions: IdempotencyIndex.runsOf(positions),
        ts: records[0]?.ts ?? "",
        repeated: false
      })
    )
  }

  /** Sends the records of a request that the topic lacks, synchronously, so that an interruption cannot split them. */
  const complete = (
    { records }: WeatherAppend,
    idempotency: IdempotencyKey,
    receipt: IdempotencyIndex.Receipt,
    isNew: boolean
  ) => {
    const { key } = idempotency
    const missing = [...records.keys()].filter((index) => receipt.parts !== undefined && !receipt.parts.has(index))
    const indexOf = (i: number) => missing[i] ?? 0
    const before = keys.ends()
    receipt.busy = true
    const sent = sender.send({
      records: missing.flatMap((index) => {
        const record = records[index]
        return record === undefined ? [] : [{ ...record, ts: receipt.ts }]
      }),
      key,
      headers: (i) => headersOf(idempotency, indexOf(i), records.length),
      acceptedAt: now(),
      onDelivered: (i, position) => {
        reached(i, position)
        keys.placed(receipt, indexOf(i), position)
      },
      onEnd: (outcome) => {
        receipt.busy = false
        if (outcome === "rejected" && isNew) keys.forget(key, receipt)
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
      orElse: () => Effect.fail(unavailable("append")(cluster.failure({ code: codes.timedOut }, name)))
    })
  )

  const knownResult = (
    receipt: IdempotencyIndex.Receipt | undefined,
    idempotency: IdempotencyKey,
    count: number
  ): Effect.Effect<Appended, KeyInFlight | KeyReused> | undefined => {
    if (receipt === undefined) return undefined
    if (receipt.busy) return Effect.fail(new KeyInFlight())
    if (!isSameRequest(idempotency, receipt.digest) || receipt.count !== count) return Effect.fail(new KeyReused())
    if (receipt.parts !== undefined) return undefined
    return Effect.succeed({ positions: receipt.positions, ts: receipt.ts, repeated: true })
  }

  const keyed = Effect.fnUntraced(function* (append: WeatherAppend, idempotency: IdempotencyKey) {
    const { records } = append
    const { key } = idempotency
    const first = keys.find(key, now())
    const known = knownResult(first, idempotency, records.length)
    if (known !== undefined) return yield* known
    // The first request may have logged a part, so LogUnavailable (nothing was logged) would be wrong.
    const orUnknown = (error: LogUnavailable) =>
      first === undefined ? error : stillUnknown(error.reason.message, error)
    const rejection = sender.rejection(records.length)
    if (rejection !== undefined) return yield* orUnknown(rejection)
    if (shared || (first !== undefined && supervisor.mayBeLate(first))) yield* Effect.mapError(read, orUnknown)
    // No yield from here to the send: nothing else may run between the lookup and the send.
    const receipt = keys.find(key, now())
    const result = knownResult(receipt, idempotency, records.length)
    if (result !== undefined) return yield* result
    const made = receipt ?? keys.begin(idempotency, records.length, records[0]?.ts ?? "", now())
    return yield* complete(append, idempotency, made, receipt === undefined)
  })

  const append: EventLog["Service"]["append"] = (append) => {
    if (append.stream !== undefined) return Effect.fail(onlyWeather("append", append.stream))
    if (append.records.length === 0) return Effect.die(new Error("an append has at least one record"))
    const { idempotency } = append
    return idempotency === undefined ? Effect.suspend(() => unkeyed(append)) : keyed(append, idempotency)
  }

  const reader = yield* Reader.make(consumers, name)
  return Context.make(EventLog, EventLog.of({ logId: null, append, ready: supervisor.ready })).pipe(
    Context.add(EventLogReader, reader)
  )
})

export const layer = Layer.effectContext(make).pipe(Layer.provide([Cluster.layer, Admin.layer]))
