/**
 * `npm run bench processors-kafka [events]`: hourly means over one partition of a topic, in Kafka's transactions, by a broker that
 * runs (FLOE_KAFKA_BROKERS): from the first read to the last commit. Then the time until another copy has the state of its open
 * windows: right away, from every change, and once the broker has compacted the topic.
 */
import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { Cluster } from "../layers/log/kafka/Cluster.ts"
import * as MemoryStreams from "../layers/log/memory/Streams.ts"
import { Beat } from "../layers/process/Beat.ts"
import { bind } from "../layers/process/bind.ts"
import { restore } from "../layers/process/kafka/restore.ts"
import { serve } from "../layers/process/kafka/serve.ts"
import * as TransactionalProducer from "../layers/process/kafka/TransactionalProducer.ts"
import { processing } from "../layers/process/kafka/work.ts"
import { Streams } from "../services/Streams.ts"
import { deadLettersOf, stateTopicOf } from "../services/Topics.ts"
import { Processor, Window } from "../streams/index.ts"
import { create, remove } from "../test/stack/kafkaTopic.ts"
import { batchesOf, common, compiledOf } from "./hourlyMeans.ts"
import { rounded } from "./programs.ts"

const count = Number(process.argv[3] ?? 500_000)
/** So that nothing else is on the broker's way. */
const suffix = randomUUID().slice(0, 8)

const fill = Effect.fnUntraced(function* (topic: string, devices: number, step: number) {
  const producer = yield* TransactionalProducer.connect(`floe-bench-${suffix}`, topic)
  for (const { acceptedAt, records } of batchesOf(count, 20_000, devices, step)) {
    yield* producer.begin
    for (const record of records) producer.produce(topic, 0, Buffer.from(record), null, acceptedAt)
    yield* producer.commit
  }
}, Effect.scoped)

/** The broker looks every 15 seconds whether a topic is to be compacted. */
const compaction = "45 seconds"

const restoring = Effect.fnUntraced(function* (state: string) {
  const before = process.cpuUsage()
  const started = performance.now()
  const { database } = yield* restore(state, 0, Effect.void)
  const seconds = (performance.now() - started) / 1_000
  const cpu = process.cpuUsage(before)
  const windows = Number(database.prepare("SELECT count(*) AS n FROM windows").get()?.n)
  return `${rounded(windows)} in ${seconds.toFixed(1)} s (${((cpu.user + cpu.system) / 1e6).toFixed(1)} s of CPU time)`
}, Effect.scoped)

const measure = Effect.fnUntraced(function* (devices: number, step: number) {
  const processor = Processor.window("bench", { ...common, window: Window.tumbling("1 hour") })
  const { definition, input, late, output } = compiledOf(processor, suffix)
  const topic = input.definition.name
  const state = stateTopicOf(definition.name)
  for (const one of [topic, output.definition.name, late.definition.name, state, deadLettersOf(definition.to)]) {
    yield* Effect.acquireRelease(create(one, 1, one === state), () => Effect.ignore(remove(one)))
  }
  yield* (yield* Streams).record(input)
  yield* fill(topic, devices, step)
  let done = 0
  let started = 0
  let before = process.cpuUsage()
  const assignment = {
    name: definition.name,
    what: "The processor",
    partition: 0,
    closeWhenIdle: undefined,
    reads: undefined,
    open: processing({
      bound: bind(processor, definition, [input], output.definition),
      partition: 0,
      partitions: 1,
      topic,
      stateTopic: state,
      output: { stream: output, topic: output.definition.name, partitions: 1 },
      late: { stream: late, topic: late.definition.name, partitions: 1 }
    })
  }
  yield* Effect.scoped(
    serve(assignment, {
      id: "bench",
      beat: new Beat(),
      index: 0,
      isDraining: () => done >= count,
      onReady: Effect.sync(() => {
        started = performance.now()
        before = process.cpuUsage()
      }),
      onCommit: (events) => {
        done += events
      }
    })
  )
  const seconds = (performance.now() - started) / 1_000
  const { system, user } = process.cpuUsage(before)
  const restored = [yield* restoring(state)]
  yield* Effect.sleep(compaction)
  restored.push(yield* restoring(state))
  return { byClock: count / seconds, byCpu: (count / (user + system)) * 1e6, restored }
}, Effect.scoped)

const program = Effect.gen(function* () {
  for (const { devices, step, what } of [
    { what: "tumbling, 1,000 keys", devices: 1_000, step: 36 },
    { what: "tumbling, 100,000 keys in an hour that stays open", devices: 100_000, step: 1 }
  ]) {
    const { byClock, byCpu, restored } = yield* measure(devices, step)
    console.log(
      `${what}: ${rounded(byClock)} events/s, ${rounded(byCpu)} events per second of CPU time; open windows read again: ${restored.join("; compacted, ")}`
    )
  }
})
await Effect.runPromise(program.pipe(Effect.provide([Cluster.layer, MemoryStreams.layer])))
