/**
 * The distributed log: a Kafka topic. An append is answered once all replicas in sync have its records. While the brokers
 * are known to be away nothing is handed to the producer, so that a refusal is certain.
 */
import { Clock, Context, Effect, Layer } from "effect"
import {
  type Append,
  type Appended,
  AppendOutcomeUnknown,
  EventLog,
  EventLogReader,
  type IdempotencyKey,
  KeyInFlight,
  KeyReused,
  type LogUnavailable,
  type Position
} from "../../../services/EventLog.ts"
import { keysMax, keysShared, topic } from "../../../services/Settings.ts"
import * as ageClock from "../../runtime/ageClock.ts"
import * as Admin from "./Admin.ts"
import * as Cluster from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import * as Reader from "./EventLogReader.ts"
import { codes, unavailable } from "./failures.ts"
import * as IdempotencyIndex from "./IdempotencyIndex.ts"
import * as KeyIndexer from "./KeyIndexer.ts"
import * as ProducerSupervisor from "./ProducerSupervisor.ts"
import * as RecordLimit from "./recordLimit.ts"
import { headersOf } from "./records.ts"

/** For looking into the topic before an append that needs it; the append has its own time after that. */
const reading = "3 seconds"

/** The repeat of an uncertain request, which logged nothing itself. */
const stillUncertain = (reason: string, cause: unknown) =>
  new AppendOutcomeUnknown({
    operation: "append",
    reason: `the first request with this key is not settled yet: ${reason}`,
    cause
  })

const noHeaders = () => undefined

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const cluster = yield* Cluster.Cluster
  const name = yield* topic
  const max = yield* keysMax
  const shared = yield* keysShared
  const now = () => clock.currentTimeMillisUnsafe()

  const consumers = yield* Consumer.make(cluster, name)
  const keys = IdempotencyIndex.make(max, ageClock.make(clock, IdempotencyIndex.kept))
  const tail = yield* KeyIndexer.make(cluster, consumers, name, keys, max, now)
  const limit = RecordLimit.of(yield* Admin.Admin, name)
  const connection = yield* ProducerSupervisor.make(cluster, name, tail, shared, limit)
  const { sender } = connection

  const reached = (_: number, { partition, offset }: Position) => keys.reached(partition, offset + 1)

  const unkeyed = ({ records }: Append) => {
    const sent = sender.hand({
      records,
      key: null,
      headers: noHeaders,
      acceptedAt: now(),
      delivered: reached,
      over: () => {}
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

  /** Hands over those records of a request that are not in the topic yet, at once: an interruption finds it done or not begun. */
  const complete = (
    { records }: Append,
    idempotency: IdempotencyKey,
    receipt: IdempotencyIndex.Receipt,
    isNew: boolean
  ) => {
    const { key } = idempotency
    const missing = [...records.keys()].filter((index) => receipt.parts !== undefined && !receipt.parts.has(index))
    const indexOf = (i: number) => missing[i] ?? 0
    const before = keys.ends()
    receipt.busy = true
    const sent = sender.hand({
      records: missing.flatMap((index) => {
        const record = records[index]
        return record === undefined ? [] : [{ ...record, ts: receipt.ts }]
      }),
      key,
      headers: (i) => headersOf(idempotency, indexOf(i), records.length),
      acceptedAt: now(),
      delivered: (i, position) => {
        reached(i, position)
        keys.placed(receipt, indexOf(i), position)
      },
      over: (outcome) => {
        receipt.busy = false
        if (outcome === "refused" && isNew) keys.forget(key, receipt)
        if (outcome === "uncertain") connection.uncertain(receipt, before)
      }
    })
    return sent.pipe(
      Effect.mapError((error) =>
        isNew || error._tag === "AppendOutcomeUnknown"
          ? error
          : stillUncertain(error._tag === "LogUnavailable" ? error.reason : error.message.replace(/\.$/, ""), error)
      ),
      Effect.map((): Appended => ({ positions: receipt.positions, ts: receipt.ts, repeated: false }))
    )
  }

  const read = tail.catchUp.pipe(
    Effect.mapError(unavailable("append")),
    Effect.timeoutOrElse({
      duration: reading,
      orElse: () => Effect.fail(unavailable("append")(cluster.failure({ code: codes.timedOut }, name)))
    })
  )

  /** What needs no record to be handed over; undefined if one may be missing. */
  const answerOf = (
    receipt: IdempotencyIndex.Receipt | undefined,
    { digest }: IdempotencyKey,
    count: number
  ): Effect.Effect<Appended, KeyInFlight | KeyReused> | undefined => {
    if (receipt === undefined) return undefined
    if (receipt.busy) return Effect.fail(new KeyInFlight())
    if (receipt.digest !== digest || receipt.count !== count) return Effect.fail(new KeyReused())
    if (receipt.parts !== undefined) return undefined
    return Effect.succeed({ positions: receipt.positions, ts: receipt.ts, repeated: true })
  }

  const keyed = Effect.fnUntraced(function* (append: Append, idempotency: IdempotencyKey) {
    const { records } = append
    const { key } = idempotency
    const first = keys.find(key, now())
    const known = answerOf(first, idempotency, records.length)
    if (known !== undefined) return yield* known
    // The first request may have logged a part: that this one logged nothing says too little.
    const unsettled = (error: LogUnavailable) => (first === undefined ? error : stillUncertain(error.reason, error))
    const refused = sender.refusal(records.length)
    if (refused !== undefined) return yield* unsettled(refused)
    if (shared || (first !== undefined && connection.mayBeLate(first))) yield* Effect.mapError(read, unsettled)
    // From here to the handing over nothing else runs.
    const receipt = keys.find(key, now())
    const found = answerOf(receipt, idempotency, records.length)
    if (found !== undefined) return yield* found
    const made = receipt ?? keys.begin(idempotency, records.length, records[0]?.ts ?? "", now())
    return yield* complete(append, idempotency, made, receipt === undefined)
  })

  const append: EventLog["Service"]["append"] = (append) => {
    if (append.records.length === 0) return Effect.die(new Error("an append has at least one record"))
    const { idempotency } = append
    return idempotency === undefined ? Effect.suspend(() => unkeyed(append)) : keyed(append, idempotency)
  }

  const reader = yield* Reader.make(cluster, consumers, name)
  return Context.make(EventLog, EventLog.of({ logId: null, append, ready: connection.ready })).pipe(
    Context.add(EventLogReader, reader)
  )
})

export const layer = Layer.effectContext(make).pipe(Layer.provide([Cluster.layer, Admin.layer]))
