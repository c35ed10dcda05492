/**
 * `npm run bench processors-by-key [events]`: hourly means by a key of their own over three partitions of a topic, by a broker
 * that runs (FLOE_KAFKA_BROKERS). One process copies the events into the topic by key and processes its three partitions: from
 * the first read to the last commit.
 */
import { randomUUID } from "node:crypto"
import { loadavg } from "node:os"
import { Effect } from "effect"
import { Cluster } from "../layers/log/kafka/Cluster.ts"
import * as MemoryStreams from "../layers/log/memory/Streams.ts"
import { Beat } from "../layers/process/Beat.ts"
import { assignments } from "../layers/process/kafka/assignments.ts"
import { serve } from "../layers/process/kafka/serve.ts"
import * as TransactionalProducer from "../layers/process/kafka/TransactionalProducer.ts"
import { Streams } from "../services/Streams.ts"
import { byKeyTopicOf, deadLettersOf, stateTopicOf } from "../services/Topics.ts"
import { Processor, Window } from "../streams/index.ts"
import { create, remove } from "../test/stack/kafkaTopic.ts"
import { batchesOf, common, compiledOf } from "./hourlyMeans.ts"
import { rounded } from "./programs.ts"

const count = Number(process.argv[3] ?? 500_000)
const partitions = 3
const devices = 1_000
/** So that nothing else is on the broker's way. */
const suffix = randomUUID().slice(0, 8)

const fill = Effect.fnUntraced(function* (topic: string) {
  const producer = yield* TransactionalProducer.connect(`floe-bench-${suffix}`, topic)
  for (const { acceptedAt, records } of batchesOf(count, 20_000, devices, 36)) {
    yield* producer.begin
    for (const [i, record] of records.entries()) {
      producer.produce(topic, i % partitions, Buffer.from(record), null, acceptedAt)
    }
    yield* producer.commit
  }
}, Effect.scoped)

const measure = Effect.gen(function* () {
  const processor = Processor.window("bench", {
    ...common,
    key: ({ device }) => device,
    window: Window.tumbling("1 hour")
  })
  const { definition, input, late, output } = compiledOf(processor, suffix)
  const { from, name, to } = definition
  const byKey = byKeyTopicOf(name)
  for (const [topic, partitioned] of [
    [from, true],
    [byKey, true],
    [stateTopicOf(name), true],
    [stateTopicOf(byKey), false],
    [to, false],
    [late.definition.name, false],
    [deadLettersOf(to), false]
  ] as const) {
    yield* Effect.acquireRelease(create(topic, partitioned ? partitions : 1), () => Effect.ignore(remove(topic)))
  }
  const { record } = yield* Streams
  for (const one of [input, output, late]) yield* record(one)
  yield* fill(from)
  const found = yield* assignments({ definition, processor })
  if ("waiting" in found) return yield* Effect.die(found.waiting)
  let copied = 0
  let copiedAfter = 0
  let processed = 0
  const started = performance.now()
  const before = process.cpuUsage()
  yield* Effect.forEach(
    found,
    (one) =>
      serve(one, {
        id: "bench",
        beat: new Beat(),
        index: 0,
        isDraining: () => (one.reads === undefined ? copied : processed) >= count,
        onReady: Effect.void,
        onCommit: (events) => {
          if (one.reads !== undefined) processed += events
          else {
            copied += events
            copiedAfter = performance.now() - started
          }
        }
      }).pipe(Effect.scoped),
    { concurrency: "unbounded" }
  )
  const seconds = (performance.now() - started) / 1_000
  const { system, user } = process.cpuUsage(before)
  console.log(
    `by key, ${partitions} partitions, ${rounded(devices)} keys: ${rounded(count / seconds)} events/s, ${rounded((count / (user + system)) * 1e6)} events per second of CPU time; copied after ${(copiedAfter / 1_000).toFixed(1)} of ${seconds.toFixed(1)} s; load ${loadavg()[0]?.toFixed(1)}`
  )
})
await Effect.runPromise(measure.pipe(Effect.scoped, Effect.provide([Cluster.layer, MemoryStreams.layer])))
