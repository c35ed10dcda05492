/**
 * Decides whether the log accepts events. It stops at the first sign that the brokers are down, and resumes once a broker
 * answers, the producer works and the keys are known.
 */
import { Clock, Deferred, Duration, Effect, Exit, Latch, Schedule, Scope } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import { Cluster } from "./Cluster.ts"
import { codeOf } from "./client.ts"
import { because, codes, isMissing, KafkaFailure } from "./failures.ts"
import type { Receipt } from "./IdempotencyIndex.ts"
import type { KeyIndexer } from "./KeyIndexer.ts"
import * as Producer from "./Producer.ts"
import * as Sender from "./Sender.ts"

/** For the last appends when the log closes; the drain of the program has 5 seconds in total. */
const settleTimeout = "1500 millis"
/** Milliseconds. */
const retryDelay = { first: 250, longest: 2_000 }
/** A broker that comes back first reads what is queued in its sockets. */
const lateDelivery = "500 millis"
/** The topic may be recreated, or a broker hang, without any error. */
const probeInterval = "5 seconds"
/** Milliseconds after an unknown outcome in which a record can still arrive; TCP gives up by then. */
const latenessMillis = 120_000
/** How often the keys of other servers are read; an append with a key reads them too. */
const followInterval = "200 millis"
/** After this the log opens even if it cannot accept events yet, and reports why. */
const startTimeout = "2 seconds"

/** Connects a producer of a topic until the scope closes. */
export type Connect = (
  topic: string,
  onTrouble: (trouble: Producer.Trouble) => void,
  limit: number | undefined
) => Effect.Effect<Producer.Producer, KafkaFailure, Cluster | Scope.Scope>

export const make = Effect.fnUntraced(function* (
  topic: string,
  indexer: KeyIndexer,
  shared: boolean,
  /** The largest record of the topic in bytes; undefined if unknown. */
  readLimit: Effect.Effect<number | undefined> = Effect.undefined,
  connectProducer: Connect = Producer.connect
) {
  const cluster = yield* Cluster
  const clock = yield* Clock.Clock
  const now = () => monotonicMillisUnsafe(clock)
  const suspected = yield* Latch.make()
  let unavailable: string | undefined = "it is connecting"
  let stopping = false
  let keysKnown = false
  let logId: string | undefined
  let current: { readonly producer: Producer.Producer; readonly scope: Scope.Closeable } | undefined
  let broken = false
  let limit: number | undefined
  let unknownSince = new Map<Receipt, number>()

  const failure = (cause: unknown) => {
    const original = cluster.failure(cause, topic, current?.producer.seen())
    if (logId === undefined || !isMissing(original.code)) return original
    // It existed before; the next probe shows whether it was deleted.
    const reason = because(`the broker does not know the topic ${topic}; it may be starting`)
    return new KafkaFailure({ reason, cause: original })
  }
  const sender = Sender.make(
    () => current?.producer,
    () => (stopping ? "the server is stopping" : unavailable),
    failure,
    () => limit
  )

  const onTrouble = ({ fatal, cause }: Producer.Trouble) => {
    if (codeOf(cause) === codes.recordTooLarge) {
      broken = true
      suspected.openUnsafe()
      return
    }
    broken ||= fatal
    unavailable ??= failure(cause).reason.message
    suspected.openUnsafe()
  }

  const mayArriveLate = () => {
    const since = now() - latenessMillis
    unknownSince = new Map([...unknownSince].filter(([, at]) => at > since))
    return unknownSince.size > 0
  }

  const markUnknown = (receipt: Receipt, before: ReadonlyArray<number>) => {
    if (!shared && keysKnown) {
      const places = indexer.places()
      const hadUnknown = mayArriveLate()
      indexer.seek(before.map((end, partition) => (hadUnknown ? Math.min(end, places[partition] ?? end) : end)))
    }
    unknownSince.set(receipt, now())
  }

  const close = (reason: string) =>
    Effect.suspend(() => {
      const scope = current?.scope
      current = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    }).pipe(Effect.ensuring(Effect.sync(() => sender.abandon(reason))))

  const settle = Effect.timeoutOption(sender.settled, settleTimeout)

  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    limit = yield* readLimit
    const producer = yield* connectProducer(topic, onTrouble, limit).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    current = { producer, scope }
  })

  const connect = Effect.gen(function* () {
    if (current !== undefined && !broken) return
    if (current !== undefined) {
      yield* Effect.logWarning("The Kafka producer can no longer deliver; replacing it.")
      yield* settle
      yield* close("the producer failed before the broker acknowledged")
    }
    broken = false
    yield* Effect.uninterruptible(open)
  })

  const readKeys = Effect.gen(function* () {
    const events = yield* indexer.toWindow
    const started = now()
    unavailable = `the idempotency keys are being read from the topic ${topic} (at most ${plural(events, "event")})`
    const announcement = yield* Effect.logInfo(
      `Reading the idempotency keys of at most ${plural(events, "event")} from the topic ${topic}.`
    ).pipe(Effect.delay("1 second"), Effect.forkChild)
    yield* indexer.catchUp.pipe(Effect.ensuring(Effect.sync(() => announcement.interruptUnsafe())))
    const took = now() - started
    if (took > 1_000) yield* Effect.logInfo(`The idempotency keys were read in ${(took / 1000).toFixed(1)} s.`)
    keysKnown = true
  })

  const recover = Effect.gen(function* () {
    const { id } = yield* cluster.describe(topic)
    if (logId !== undefined && logId !== id) {
      yield* Effect.logWarning(
        `The topic ${topic} was deleted and recreated: its events and their idempotency keys are gone.`
      )
      unavailable = `the topic ${topic} was recreated`
      // Records in flight go to the new topic and are then read from it.
      yield* settle
      indexer.forget()
      unknownSince.clear()
      keysKnown = false
    }
    logId = id
    yield* connect
    if (!keysKnown) return yield* readKeys
    if (!mayArriveLate()) return
    yield* Effect.sleep(lateDelivery)
    yield* indexer.catchUp
  })

  const first = yield* Deferred.make<void>()
  let reported: string | undefined
  const supervise = Effect.gen(function* () {
    let pause = retryDelay.first
    while (true) {
      suspected.closeUnsafe()
      const failed = yield* Effect.match(recover, {
        onFailure: ({ reason }) => reason.message,
        onSuccess: () => undefined
      })
      unavailable = failed
      yield* Deferred.succeed(first, undefined)
      if (failed !== undefined) {
        if (failed !== reported) yield* Effect.logWarning(`The event log accepts no events: ${failed}.`)
        reported = failed
        yield* Effect.sleep(Duration.millis(pause))
        pause = Math.min(2 * pause, retryDelay.longest)
        continue
      }
      if (reported !== undefined) yield* Effect.logInfo("The event log accepts events again.")
      reported = undefined
      pause = retryDelay.first
      yield* Effect.timeoutOption(suspected.await, probeInterval)
    }
  })

  const ready = Effect.suspend(() => {
    const failure = sender.rejection(1)
    return failure === undefined ? Effect.void : Effect.fail(failure)
  }).pipe(Effect.withSpan("EventLog.ready"))

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      stopping = true
      yield* settle
      const left = sender.waiting()
      if (left > 0)
        yield* Effect.logWarning(
          `Stopped with ${plural(left, "unacknowledged record")}; their requests got no 200 response.`
        )
      yield* close("the server stopped before the broker acknowledged")
    })
  )
  const failing = Effect.tapDefect((defect: unknown) =>
    Effect.logError("A background task of the event log failed.", defect)
  )
  yield* supervise.pipe(failing, Effect.forkScoped)
  if (shared) {
    const follow = Effect.suspend(() => (unavailable === undefined ? Effect.ignore(indexer.catchUp) : Effect.void))
    yield* Effect.forkScoped(Effect.repeat(follow, Schedule.spaced(followInterval)))
  }
  yield* Effect.timeoutOption(Deferred.await(first), startTimeout)
  return { sender, ready, markUnknown, mayBeLate: (receipt: Receipt) => unknownSince.has(receipt) }
})
