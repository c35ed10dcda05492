/** A stream of typed events on Kafka without a table, for a benchmark. */
import { Effect } from "effect"
import { firstVersion } from "../layers/declaration/assignIds.ts"
import { Cluster } from "../layers/log/kafka/Cluster.ts"
import * as Producer from "../layers/log/kafka/Producer.ts"
import * as StreamsLayer from "../layers/log/kafka/Streams.ts"
import { sendOne } from "../layers/log/kafka/sendOne.ts"
import { versionKey } from "../layers/log/kafka/streamRecords.ts"
import { Streams } from "../services/Streams.ts"
import { deadLettersOf, streamsTopic } from "../services/Topics.ts"
import { create, remove } from "../test/stack/kafkaTopic.ts"
import { readings } from "./readings.ts"

/** Makes a stream of the readings' columns. Returns the effect that removes it. */
export const recorded = async (name: string) => {
  const stream = firstVersion({ ...readings, name }, 0)
  const record = Effect.gen(function* () {
    yield* create(name, 1)
    yield* create(deadLettersOf(name), 1)
    yield* (yield* Streams).record(stream)
  })
  await Effect.runPromise(record.pipe(Effect.provide(StreamsLayer.layer)))
  const forget = Effect.gen(function* () {
    const producer = yield* Producer.connect(streamsTopic, () => {})
    yield* sendOne(streamsTopic, producer, { key: versionKey(stream), value: null })
    for (const topic of [name, deadLettersOf(name)]) yield* remove(topic)
  })
  return () => Effect.runPromise(forget.pipe(Effect.scoped, Effect.provide(Cluster.layer)))
}
