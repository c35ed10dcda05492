/** One processor over one partition of its input, for as long as it is not fenced: each batch is one transaction. */
import { Clock, Effect } from "effect"
import { stateTopicOf } from "../../../services/Topics.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import { codeOf } from "../../log/kafka/client.ts"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import type { Beat } from "../Beat.ts"
import type { Bound } from "../bind.ts"
import { requireKnownVersion } from "../inputVersion.ts"
import * as Runner from "../Runner.ts"
import * as InputTopic from "./InputTopic.ts"
import { restore } from "./restore.ts"
import * as Store from "./Store.ts"
import { heartbeatKey, heartbeatValue } from "./stateRecords.ts"
import * as TransactionalProducer from "./TransactionalProducer.ts"

/** Events of a transaction. */
const maxBatch = 10_000
/** Milliseconds, so that rows are seen soon. */
const maxBatchMillis = 250
const heartbeatInterval = 1_000

export interface Assignment {
  readonly bound: Bound
  readonly partition: number
  /** The topic of the input, and its id. */
  readonly topic: string
  readonly topicId: string
  readonly output: Store.OutputTopic
  readonly late: Store.OutputTopic | undefined
}

interface Watched {
  /** Names this copy in its heartbeats. */
  readonly id: string
  readonly beat: Beat
  /** The processor's, to the thread that watches. */
  readonly index: number
  readonly isDraining: () => boolean
  readonly onReady: Effect.Effect<void>
  readonly onCommit: (events: number) => void
}

/**
 * Returns once it is draining. Fails with ProcessorStopped, or with what the broker, the input or the functions' store give;
 * the caller starts it again, from what is committed.
 */
export const serve = Effect.fnUntraced(function* (
  { bound, late, output, partition, topic, topicId }: Assignment,
  { beat, id, index, isDraining, onCommit, onReady }: Watched
) {
  const cluster = yield* Cluster
  const clock = yield* Clock.Clock
  const now = () => monotonicMillisUnsafe(clock)
  const { definition } = bound
  const { closeWhenIdle, from, name } = definition
  const stateTopic = stateTopicOf(name)
  const producer = yield* TransactionalProducer.connect(`floe-${name}-${partition}`, stateTopic)

  let beatAt = Number.NEGATIVE_INFINITY
  let beats = 0
  const isBeatDue = () => now() - beatAt >= heartbeatInterval
  // In the transaction, so that a copy that was fenced has no heartbeat.
  const heartbeat = () => {
    producer.produce(stateTopic, partition, heartbeatValue(id, beats++), heartbeatKey, clock.currentTimeMillisUnsafe())
    beatAt = now()
  }
  const failure = (cause: unknown) => (codeOf(cause) === undefined ? cause : cluster.failure(cause, stateTopic))
  const within = (run: () => void) =>
    Effect.try({ try: run, catch: failure }).pipe(Effect.onError(() => producer.abort))
  const transaction = (run: () => void) => Effect.andThen(producer.begin, Effect.andThen(within(run), producer.commit))
  const pulse = Effect.suspend(() => (isBeatDue() ? transaction(heartbeat) : Effect.void))

  yield* pulse
  const restored = yield* restore(stateTopic, partition, pulse)
  const runner = yield* Effect.try({
    try: () => {
      const { produce } = producer
      const store = Store.make({ definition, partition, input: topicId, output, late, restored, produce })
      return Runner.make(bound, store, { beat, partition })
    },
    catch: (cause) => cause
  })
  const input = yield* InputTopic.open({ stream: from, topic, partition, from: runner.next() })
  const knownVersion = bound.history.at(-1)?.version ?? 1
  yield* onReady

  const add = (events: ReadonlyArray<Runner.InputEvent>) => () => {
    requireKnownVersion(definition, knownVersion, events.at(-1)?.schemaVersion ?? 0)
    if (isBeatDue()) heartbeat()
    beat.during(index, () => runner.add(events), partition)
  }

  /** More of what the client has fetched already. */
  const addMore = Effect.fnUntraced(function* (first: number) {
    const started = now()
    let count = first
    while (count < maxBatch && now() - started < maxBatchMillis) {
      const events = yield* Effect.onError(input.next, () => producer.abort)
      if (events.length === 0) break
      yield* within(add(events))
      count += events.length
    }
    return count
  })

  let lastEventAt = now()
  while (!isDraining()) {
    const events = yield* input.next
    if (events.length > 0) {
      yield* producer.begin
      yield* within(add(events))
      const count = yield* addMore(events.length)
      yield* within(runner.commit)
      yield* producer.commit
      lastEventAt = now()
      onCommit(count)
      continue
    }
    const at = clock.currentTimeMillisUnsafe()
    if (closeWhenIdle !== undefined && now() - lastEventAt >= closeWhenIdle && runner.isDue(at)) {
      yield* transaction(() => {
        beat.during(index, () => runner.tick(at), partition)
        runner.commit()
      })
    } else yield* pulse
  }
})
