/** The work of one partition of a state topic, for as long as it is not fenced: each batch is one transaction. */
import { Clock, Effect } from "effect"
import { stateTopicOf } from "../../../services/Topics.ts"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import type { Beat } from "../Beat.ts"
import { ProcessorStopped } from "../Runner.ts"
import * as Heartbeats from "./heartbeats.ts"
import { restore } from "./restore.ts"
import * as TransactionalProducer from "./TransactionalProducer.ts"
import type { Open, Processing } from "./work.ts"

/** A transaction ends after so many events, bytes that it writes, and milliseconds: so that rows are seen soon. */
const maxEvents = 10_000
const maxBytes = 4 * 1024 * 1024
const maxMillis = 250
/** A transaction is not shorter, so that a few events at a time do not make many. */
const minMillis = 100

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

  const heartbeats = Heartbeats.make(clock, producer.produce, { id, stateTopic, partition })
  const { within } = producer
  const transaction = (run: () => void) => Effect.andThen(producer.begin, Effect.andThen(within(run), producer.commit))
  const pulse = Effect.suspend(() => (heartbeats.isDue() ? transaction(() => heartbeats.beat()) : Effect.void))

  const run = Effect.gen(function* () {
    yield* pulse
    const restored = yield* restore(stateTopic, partition, pulse)
    const work = yield* open({ restored, produce: producer.produce, beat })
    yield* onReady

    const committing = () => {
      beat.works(index, partition)
      work.commit()
      beat.rests()
    }

    /** Processes events in a transaction until it is full, or until none are left for now; returns how many. */
    const batch = Effect.gen(function* () {
      const started = now()
      let count = 0
      const isFull = () => count >= maxEvents || producer.bytes() >= maxBytes || now() - started >= maxMillis
      const add = () => {
        if (heartbeats.isDue()) heartbeats.beat()
        beat.during(index, () => (count += work.add(isFull)), partition)
      }
      const hasMore = Effect.gen(function* () {
        if (yield* work.next(false)) return true
        yield* Effect.sleep(Math.max(0, minMillis - (now() - started)))
        return yield* work.next(false)
      })
      yield* producer.begin
      do yield* within(add)
      while (!isFull() && (yield* Effect.onError(hasMore, () => producer.abort)))
      yield* within(committing)
      yield* producer.commit
      return count
    })

    let lastEventAt = now()
    while (!isDraining()) {
      if (yield* work.next(true)) {
        const count = yield* Effect.onError(batch, () => Effect.sync(() => beat.rests()))
        heartbeats.processed(count)
        onCommit(count)
        if (count > 0) lastEventAt = now()
        if (count > 0 || (yield* work.next(false))) continue
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
  /** For `floe processor status`. */
  const tell = (cause: unknown) =>
    cause instanceof ProcessorStopped ? Effect.ignore(transaction(() => heartbeats.beat(cause.message))) : Effect.void
  yield* Effect.tapError(run, tell)
})
