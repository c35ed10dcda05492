/**
 * Whether the log takes events. It stops at the first sign that brokers are away, and goes on once one has answered, the
 * producer is a sound one and the keys are known.
 */
import { Clock, Deferred, Duration, Effect, Exit, Latch, Schedule, Scope } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import type { Cluster } from "./Cluster.ts"
import { codeOf } from "./client.ts"
import { codes, isMissing, KafkaFailure } from "./failures.ts"
import type { Receipt } from "./IdempotencyIndex.ts"
import type { KeyIndexer } from "./KeyIndexer.ts"
import * as Producer from "./Producer.ts"
import * as Sender from "./Sender.ts"

/** For the last appends when the log closes; the program's drain has 5 seconds in all. */
const settlement = "1500 millis"
/** Milliseconds between two tries. */
const retryDelay = { first: 250, longest: 2_000 }
/** A broker that comes back first takes in what waits in its sockets, and then this is over. */
const settling = "500 millis"
/** Between two looks at a topic with which nothing seems wrong: it may be made anew, or a silent broker hang. */
const probing = "5 seconds"
/** Milliseconds after an uncertain answer in which a record may still come: TCP gives up by then. */
const lateness = 120_000
/** Between two looks for the keys of other servers; an append with a key looks by itself. */
const following = "200 millis"
/** A log that cannot be used yet opens nevertheless, and says why it takes nothing. */
const starting = "2 seconds"

export const make = Effect.fnUntraced(function* (
  cluster: Cluster["Service"],
  topic: string,
  tail: KeyIndexer,
  shared: boolean,
  /** How large a record of the topic may be; undefined where nobody tells. */
  readLimit: Effect.Effect<number | undefined> = Effect.undefined
) {
  const clock = yield* Clock.Clock
  const now = () => monotonicMillisUnsafe(clock)
  const suspected = yield* Latch.make()
  let away: string | undefined = "it is being connected"
  let stopping = false
  let rebuilt = false
  let logId: string | undefined
  let current: { readonly producer: Producer.Producer; readonly scope: Scope.Closeable } | undefined
  let broken = false
  let limit: number | undefined
  /** What was uncertain lately, and when it was. */
  let doubtful = new Map<Receipt, number>()

  const failure = (cause: unknown) => {
    const found = cluster.failure(cause, topic, current?.producer.seen())
    if (logId === undefined || !isMissing(found.code)) return found
    // It was there, and whether it was deleted is for the next look to find out.
    const reason = `the broker does not know the topic ${topic} at the moment; it may be starting`
    return new KafkaFailure({ reason, cause: found })
  }
  const sender = Sender.make(
    () => current?.producer,
    () => (stopping ? "the server is stopping" : away),
    failure,
    () => limit
  )

  const trouble = ({ fatal, cause }: Producer.Trouble) => {
    if (codeOf(cause) === codes.recordTooLarge) {
      broken = true
      suspected.openUnsafe()
      return
    }
    broken ||= fatal
    away ??= failure(cause).reason
    suspected.openUnsafe()
  }

  const stillDoubtful = () => {
    const since = now() - lateness
    doubtful = new Map([...doubtful].filter(([, at]) => at > since))
    return doubtful.size > 0
  }

  const uncertain = (receipt: Receipt, before: ReadonlyArray<number>) => {
    if (!shared && rebuilt) {
      const places = tail.places()
      const wasDoubtful = stillDoubtful()
      tail.seek(before.map((end, partition) => (wasDoubtful ? Math.min(end, places[partition] ?? end) : end)))
    }
    doubtful.set(receipt, now())
  }

  /** Whatever happens, every append is answered. */
  const close = (reason: string) =>
    Effect.suspend(() => {
      const scope = current?.scope
      current = undefined
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    }).pipe(Effect.ensuring(Effect.sync(() => sender.abandon(reason))))

  const settle = Effect.timeoutOption(sender.settled, settlement)

  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    limit = yield* readLimit
    const producer = yield* Producer.connect(cluster, topic, trouble, limit).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    current = { producer, scope }
  })

  const connect = Effect.gen(function* () {
    if (current !== undefined && !broken) return
    if (current !== undefined) {
      yield* Effect.logWarning("The Kafka producer cannot deliver what it has, and is replaced.")
      yield* settle
      yield* close("the producer failed before the broker had acknowledged")
    }
    broken = false
    yield* Effect.uninterruptible(open)
  })

  const rebuild = Effect.gen(function* () {
    const events = yield* tail.toWindow
    const started = performance.now()
    const seconds = () => ((performance.now() - started) / 1000).toFixed(1)
    away = `the idempotency keys are being read from the topic ${topic} (${plural(events, "event")})`
    const saying = yield* Effect.logInfo(
      `Reading the idempotency keys of ${plural(events, "event")} from the topic ${topic}.`
    ).pipe(Effect.delay("1 second"), Effect.forkChild)
    yield* tail.catchUp.pipe(Effect.ensuring(Effect.sync(() => saying.interruptUnsafe())))
    if (performance.now() - started > 1_000)
      yield* Effect.logInfo(`The idempotency keys are known, after ${seconds()} s.`)
    rebuilt = true
  })

  const recover = Effect.gen(function* () {
    const { id } = yield* cluster.describe(topic)
    if (logId !== undefined && logId !== id) {
      yield* Effect.logWarning(`The topic ${topic} was deleted and made anew: what was in it is gone, with its keys.`)
      away = `the topic ${topic} was made anew`
      // What is in flight goes to the new one, and is then read with it.
      yield* settle
      tail.forget()
      doubtful.clear()
      rebuilt = false
    }
    logId = id
    yield* connect
    if (!rebuilt) return yield* rebuild
    if (!stillDoubtful()) return
    yield* Effect.sleep(settling)
    yield* tail.catchUp
  })

  const first = yield* Deferred.make<void>()
  let said: string | undefined
  const supervise = Effect.gen(function* () {
    let pause = retryDelay.first
    while (true) {
      suspected.closeUnsafe()
      const failed = yield* Effect.match(recover, { onFailure: ({ reason }) => reason, onSuccess: () => undefined })
      away = failed
      yield* Deferred.succeed(first, undefined)
      if (failed !== undefined) {
        if (failed !== said) yield* Effect.logWarning(`The event log takes no events: ${failed}.`)
        said = failed
        yield* Effect.sleep(Duration.millis(pause))
        pause = Math.min(2 * pause, retryDelay.longest)
        continue
      }
      if (said !== undefined) yield* Effect.logInfo("The event log takes events again.")
      said = undefined
      pause = retryDelay.first
      yield* Effect.timeoutOption(suspected.await, probing)
    }
  })

  const ready = Effect.suspend(() => {
    const refused = sender.refusal(1)
    return refused === undefined ? Effect.void : Effect.fail(refused)
  }).pipe(Effect.withSpan("EventLog.ready"))

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      stopping = true
      yield* settle
      const left = sender.waiting()
      if (left > 0)
        yield* Effect.logWarning(
          `Stopped with ${plural(left, "record")} not acknowledged; their requests got no answer 200.`
        )
      yield* close("the server stopped before the broker had acknowledged")
    })
  )
  const failing = Effect.tapDefect((defect: unknown) => Effect.logError("The event log's own work failed.", defect))
  yield* supervise.pipe(failing, Effect.forkScoped)
  if (shared) {
    const follow = Effect.suspend(() => (away === undefined ? Effect.ignore(tail.catchUp) : Effect.void))
    yield* Effect.forkScoped(Effect.repeat(follow, Schedule.spaced(following)))
  }
  yield* Effect.timeoutOption(Deferred.await(first), starting)
  return { sender, ready, uncertain, mayBeLate: (receipt: Receipt) => doubtful.has(receipt) }
})
