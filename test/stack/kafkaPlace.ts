/** Topics of their own for a random processor, on the broker of FLOE_KAFKA_BROKERS: a place of `randomRun`. */
import { randomUUID } from "node:crypto"
import type { Message } from "@confluentinc/kafka-javascript"
import { Effect, Exit, Scope } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as Consumer from "../../layers/log/kafka/Consumer.ts"
import type { StateRow } from "../../layers/process/core/Task.ts"
import * as Restore from "../../layers/process/kafka/restore.ts"
import * as KafkaStore from "../../layers/process/kafka/Store.ts"
import { stateRecordOf } from "../../layers/process/kafka/stateRecords.ts"
import * as TransactionalProducer from "../../layers/process/kafka/TransactionalProducer.ts"
import type { Progress, Tick } from "../../layers/process/Store.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { deadLettersOf, stateTopicOf } from "../../services/Topics.ts"
import { byKeyAndStart } from "../process/randomProcessor.ts"
import { Crash, type Place } from "../process/randomRun.ts"
import { create, remove } from "./kafkaTopic.ts"

/** All committed messages of a partition. */
export const committed = Effect.fnUntraced(function* (topic: string, partition = 0) {
  const bounds = yield* (yield* Cluster).bounds(topic, partition + 1, "read_committed")
  const { end, start } = bounds[partition] ?? { end: 0, start: 0 }
  const messages: Array<Message> = []
  if (start === end) return messages
  const cursor = yield* (yield* Consumer.make(topic, "read_committed")).open([{ partition, offset: start }])
  while ((cursor.ended.get(partition) ?? 0) < end) messages.push(...(yield* cursor.next))
  return messages
}, Effect.scoped)

export const logged = Effect.fnUntraced(function* (topic: string, partition = 0) {
  return (yield* committed(topic, partition)).map(({ timestamp, value }) => ({
    record: String(value),
    acceptedAt: timestamp ?? Number.NaN
  }))
})

export const stateOf = Effect.fnUntraced(function* (topic: string, partition = 0) {
  const states = new Map<string, StateRow>()
  const ticks: Array<Tick> = []
  let progress: Progress = { next: 0, watermark: Number.NEGATIVE_INFINITY }
  for (const message of yield* committed(topic, partition)) {
    const record = stateRecordOf(message)
    if (record?._tag === "Window") states.set(String(message.key), record.row)
    if (record?._tag === "Closed") states.delete(String(message.key))
    if (record?._tag === "Tick") ticks[record.n] = record.tick
    if (record?._tag === "Progress") {
      progress = { next: record.progress.next, watermark: record.progress.watermark ?? Number.NEGATIVE_INFINITY }
    }
  }
  return { states: [...states.values()].sort(byKeyAndStart), ticks, progress }
})

const named = (stream: AppliedStream, name: string): KafkaStore.OutputTopic => ({
  stream,
  topic: name,
  partitions: 1
})

/** Every worker but the last is thrown away in mid-transaction: nothing of it is closed before the next one has the place. */
export const kafkaPlace = Effect.gen(function* () {
  const context = yield* Effect.context<Cluster>()
  const run = <A, E>(effect: Effect.Effect<A, E, Cluster>) => Effect.runPromise(Effect.provideContext(effect, context))
  const name = `kproc_${randomUUID().replaceAll("-", "_")}`
  const [rows, late] = [`${name}_rows`, `${name}_late`]
  for (const topic of [rows, late, stateTopicOf(name), deadLettersOf(rows)]) {
    yield* Effect.acquireRelease(create(topic, 1), () => Effect.ignore(remove(topic)))
  }
  const workers: Array<Scope.Closeable> = []
  yield* Effect.addFinalizer(() => Effect.forEach(workers, (scope) => Scope.close(scope, Exit.void)))
  let producer: TransactionalProducer.TransactionalProducer | undefined
  let ticks = 0
  let ticksOfTransaction = 0
  let commits = 0

  const place: Place = {
    since1970: true,
    open: (definition, output, lateStream) =>
      run(
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          workers.push(scope)
          return yield* Effect.gen(function* () {
            const connected = yield* TransactionalProducer.connect(`floe-${name}-0`, rows)
            const restored = yield* Restore.restore(stateTopicOf(name), 0, Effect.void)
            producer = connected
            ticks = restored.ticks
            const store = KafkaStore.make({
              definition: { ...definition, name },
              partition: 0,
              topic: "input",
              input: "the topic",
              stateTopic: stateTopicOf(name),
              output: named(output, rows),
              late: named(lateStream, late),
              restored,
              produce: connected.produce
            })
            return {
              ...store,
              tick: (tick: Tick) => {
                ticksOfTransaction++
                store.tick(tick)
              }
            }
          }).pipe(Scope.provide(scope))
        })
      ),
    begin: () => {
      ticksOfTransaction = 0
      return run(producer?.begin ?? Effect.void)
    },
    commit: async () => {
      await run(producer?.commit ?? Effect.void)
      // Dies after the commit, before it has noticed it.
      if (++commits % 7 === 0) throw new Crash()
      ticks += ticksOfTransaction
    },
    ticks: () => ticks,
    content: () =>
      run(
        Effect.gen(function* () {
          // Waits until the last transaction can be read: its markers are written after its commit is answered.
          yield* Effect.scoped(TransactionalProducer.connect(`floe-${name}-0`, rows))
          const state = yield* stateOf(stateTopicOf(name))
          return { ...state, rows: yield* logged(rows), late: yield* logged(late) }
        })
      )
  }
  return place
})
