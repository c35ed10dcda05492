/** The work of one partition of a state topic, for as long as it is not fenced: each batch is one transaction. */
import { Clock, Effect } from "effect"
import { stateTopicOf } from "../../../services/Topics.ts"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import type { Beat } from "../Beat.ts"
import { restore } from "./restore.ts"
import { heartbeatKey, heartbeatValue } from "./stateRecords.ts"
import * as TransactionalProducer from "./TransactionalProducer.ts"
import type { Open, Processing } from "./work.ts"

/** Events of a transaction, and bytes that it writes. */
const maxBatch = 10_000
const maxBytes = 4 * 1024 * 1024
/** Milliseconds, so that rows are seen soon. */
const maxBatchMillis = 250
const heartbeatInterval = 1_000

export interface Assignment {
  /** Of its state topic and its `transactional.id`: the processor's, or of its topic by key. */
  readonly name: string
  /** Names it in messages. */
  readonly what: string
  readonly partition: number
  /** Milliseconds without events after which windows close by the clock. */
  readonly closeWhenIdle: number | undefined
  readonly open: Open
  /** What it reads and writes, to run it again; undefined if it only copies the input. */
  readonly reads: Processing | undefined
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
  { closeWhenIdle, name, open, partition }: Assignment,
  { beat, id, index, isDraining, onCommit, onReady }: Watched
) {
  const clock = yield* Clock.Clock
  const now = () => monotonicMillisUnsafe(clock)
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
  const { within } = producer
  const transaction = (run: () => void) => Effect.andThen(producer.begin, Effect.andThen(within(run), producer.commit))
  const pulse = Effect.suspend(() => (isBeatDue() ? transaction(heartbeat) : Effect.void))

  yield* pulse
  const restored = yield* restore(stateTopic, partition, pulse)
  const work = yield* open({ restored, produce: producer.produce, beat })
  yield* onReady

  const adding = (add: () => void) => () => {
    if (isBeatDue()) heartbeat()
    beat.during(index, add, partition)
  }

  const committing = () => {
    beat.works(index, partition)
    work.commit()
    beat.rests()
  }

  /** More of what the client has fetched already. */
  const addMore = Effect.fnUntraced(function* (first: number) {
    const started = now()
    let count = first
    while (count < maxBatch && producer.bytes() < maxBytes && now() - started < maxBatchMillis) {
      const { add, events } = yield* Effect.onError(work.next, () => producer.abort)
      if (events === 0) break
      yield* within(adding(add))
      count += events
    }
    return count
  })

  let lastEventAt = now()
  while (!isDraining()) {
    const { add, events } = yield* work.next
    if (events > 0) {
      yield* producer.begin
      yield* within(adding(add))
      const count = yield* addMore(events)
      yield* within(committing)
      yield* producer.commit
      lastEventAt = now()
      onCommit(count)
      continue
    }
    const at = clock.currentTimeMillisUnsafe()
    const isIdle = closeWhenIdle !== undefined && now() - lastEventAt >= closeWhenIdle
    if (isIdle && work.isDue(at) && (yield* work.isQuiet)) {
      yield* transaction(() => {
        beat.during(index, () => work.tick(at), partition)
        committing()
      })
    } else yield* pulse
  }
})
