/** What a worker does, over one partition of a state topic: it runs the processor, or brings its input into another key's order. */
import { Effect, type Scope } from "effect"
import type { Streams } from "../../../services/Streams.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import type { Beat } from "../Beat.ts"
import type { Bound } from "../bind.ts"
import { roomOf } from "../core/Task.ts"
import { newestOf, requireKnownVersion } from "../inputVersion.ts"
import * as Runner from "../Runner.ts"
import * as CopyProgress from "./copyProgress.ts"
import * as EarlierTicks from "./earlierTicks.ts"
import * as InputTopic from "./InputTopic.ts"
import * as MergePartitions from "./mergePartitions.ts"
import * as Pending from "./pending.ts"
import * as Rekey from "./rekey.ts"
import type { Restored } from "./restore.ts"
import * as Store from "./Store.ts"
import type { TransactionalProducer } from "./TransactionalProducer.ts"

interface Given {
  readonly restored: Restored
  readonly produce: TransactionalProducer["produce"]
  readonly beat: Beat
}

interface Work {
  /** Whether there is something to add; with `wait`, waits half a second for it. */
  readonly next: (wait: boolean) => Effect.Effect<boolean, unknown>
  /** Adds to the open transaction what is there, until that `isFull`; returns the number of events. */
  readonly add: (isFull: () => boolean) => number
  /** Puts the progress into the open transaction. */
  readonly commit: () => void
  /** Closes windows by the clock, in the open transaction; milliseconds since 1970. */
  readonly tick: (at: number) => void
  /** Whether a tick of that time may close a window. */
  readonly isDue: (at: number) => boolean
  /** Whether a pause here is one of the stream. */
  readonly isQuiet: Effect.Effect<boolean, unknown>
}

/** Throws what stops the processor. */
export type Open = (given: Given) => Effect.Effect<Work, unknown, Cluster | Streams | Scope.Scope>

const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: (cause) => cause })

const versionsOf = ({ definition, history }: Bound) => {
  const known = history.at(-1)?.version ?? 1
  return (events: ReadonlyArray<Runner.InputEvent>) => requireKnownVersion(definition, known, newestOf(events))
}

const countOf = (events: ReadonlyArray<Runner.InputEvent>) =>
  events.reduce((count, { isForeign }) => (isForeign === true ? count : count + 1), 0)

const idOf = Effect.fnUntraced(function* (topic: string) {
  return (yield* (yield* Cluster).describe(topic)).id
})

export interface Processing {
  /** Of the topic that is read: all of them share the memory of the processor. */
  readonly partitions: number
  readonly bound: Bound
  readonly partition: number
  /** The topic that is read. */
  readonly topic: string
  readonly stateTopic: string
  readonly output: Store.OutputTopic
  readonly late: Store.OutputTopic | undefined
  /** If `topic` is the one by key. */
  readonly copied?: CopyProgress.Copied | undefined
  /** For a generation that is filled beside the one in use. */
  readonly earlier?: EarlierTicks.EarlierTicks | undefined
}

/** Runs the processor over one partition. */
export const processing =
  ({ bound, copied, earlier, late, output, partition, partitions, stateTopic, topic }: Processing): Open =>
  ({ beat, produce, restored }) =>
    Effect.gen(function* () {
      const { definition } = bound
      const starts = restored.progress === undefined ? yield* InputTopic.startsOf(topic, partition + 1) : []
      const start = starts[partition] ?? 0
      const id = yield* idOf(topic)
      const runner = yield* attempt(() => {
        const topics = { topic, input: id, stateTopic, output, late }
        const store = Store.make({ definition, partition, ...topics, start, restored, produce })
        return Runner.make(bound, store, { beat, partition, room: roomOf(partitions) })
      })
      const input = yield* InputTopic.open({ stream: definition.from, topic, partition, from: runner.next() })
      const copy = copied === undefined ? undefined : yield* CopyProgress.make(copied)
      const requireVersions = versionsOf(bound)
      const ticks = earlier === undefined ? undefined : yield* EarlierTicks.make(earlier, partition, restored.ticks)
      const pending = Pending.make(
        (wait) => (wait || input.isReady() ? input.next : Effect.succeed([])),
        (events: ReadonlyArray<Runner.InputEvent>) => {
          requireVersions(events)
          if (ticks === undefined) runner.add(events)
          else ticks.add(runner, events)
          const count = countOf(events)
          if (count > 0) copy?.reset()
          return count
        }
      )
      const next = Effect.fnUntraced(function* (wait: boolean) {
        const hasEvents = yield* pending.next(wait)
        if (ticks !== undefined) yield* ticks.look
        return hasEvents || ticks?.isDue(runner.next()) === true
      })
      return {
        next,
        add: pending.add,
        commit: runner.commit,
        tick: runner.tick,
        isDue: runner.isDue,
        isQuiet: copy === undefined ? Effect.succeed(true) : copy.isReached(partition, input.readUpTo)
      }
    })

interface RekeyingOptions {
  /** The topic that is read. */
  readonly topic: string
  readonly byKey: string
  readonly deadLetters: string
  readonly partitions: number
}

/** Copies all partitions of the input into the topic by key. */
export const rekeying =
  (bound: Bound, { byKey, deadLetters, partitions, topic }: RekeyingOptions): Open =>
  ({ beat, produce, restored }) =>
    Effect.gen(function* () {
      const starts = restored.rekeyed === undefined ? yield* InputTopic.startsOf(topic, partitions) : []
      const topics = { topic, input: yield* idOf(topic), byKey, output: yield* idOf(byKey), deadLetters }
      const rekey = yield* attempt(() => Rekey.make(bound, { ...topics, starts, partitions, restored, produce, beat }))
      const inputs = yield* Effect.forEach(rekey.next, (from, partition) =>
        InputTopic.open({ stream: bound.definition.from, topic, partition, from })
      )
      const requireVersions = versionsOf(bound)
      const pending = Pending.make(
        yield* MergePartitions.make(inputs),
        (events: ReadonlyArray<MergePartitions.PlacedEvent>) => {
          requireVersions(events)
          rekey.add(events)
          return countOf(events)
        }
      )
      return {
        next: pending.next,
        add: pending.add,
        commit: rekey.commit,
        tick: () => {},
        isDue: () => false,
        isQuiet: Effect.succeed(false)
      }
    })
