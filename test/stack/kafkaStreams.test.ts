import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule, Schema } from "effect"
import { builtIn } from "../../layers/declaration/builtIn.ts"
import * as StreamsLayer from "../../layers/log/kafka/Streams.ts"
import { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { weatherStream } from "../../services/Weather.ts"
import { definition, streamsContract } from "../log/streamsContract.ts"
import { remove, written } from "./kafkaTopic.ts"

/** The name of a topic that does not exist yet, and is removed when the scope closes. */
const newTopic = Effect.acquireRelease(
  Effect.sync(() => `x-test-streams-${randomUUID()}`),
  (topic) => Effect.ignore(remove(topic))
)
const on = (topic: string) => Layer.fresh(StreamsLayer.layerOf(topic))

streamsContract("Streams on Kafka", Layer.unwrap(Effect.map(newTopic, on)))

describe("Streams on Kafka", () => {
  it.live("show another process a change within two seconds, the first one too", () =>
    Effect.gen(function* () {
      const topic = yield* newTopic
      yield* Effect.gen(function* () {
        const follower = yield* Streams
        assert.deepStrictEqual(yield* follower.all, [weatherStream])
        for (const version of [1, 2]) {
          yield* Effect.flatMap(Streams, ({ record }) => record(definition("readings", version))).pipe(
            Effect.provide(on(topic))
          )
          yield* follower.all.pipe(
            Effect.repeat({
              until: (all) => all.some((one) => one.version === version && one.definition.name === "readings"),
              schedule: Schedule.spaced("20 millis")
            }),
            Effect.timeout("2 seconds")
          )
        }
      }).pipe(Effect.provide(on(topic)))
    })
  )

  it.live("keep the newest definition of each processor, and which are paused", () =>
    Effect.gen(function* () {
      const topic = yield* newTopic
      const using = <A, E>(use: (streams: Streams["Service"]) => Effect.Effect<A, E>) =>
        Effect.flatMap(Streams, use).pipe(Effect.provide(on(topic)))
      const processor = { ...builtIn.processors?.[0], name: "means" }
      const means = yield* Schema.decodeUnknownEffect(ProcessorDefinition)(processor)
      const changed = { ...means, onError: "dead-letter" as const }
      assert.deepStrictEqual(yield* using(({ processors }) => processors), [])
      yield* using(({ recordProcessor }) => recordProcessor(means))
      yield* using(({ recordProcessor }) => recordProcessor({ ...means, name: "counts" }))
      yield* using(({ recordProcessor }) => recordProcessor(changed))
      assert.deepStrictEqual(yield* using(({ processors }) => processors), [{ ...means, name: "counts" }, changed])
      // They are no streams.
      assert.deepStrictEqual(yield* using(({ all }) => all), [weatherStream])
      yield* using(({ setPaused }) => setPaused("means", true))
      assert.deepStrictEqual([...(yield* using(({ paused }) => paused))], ["means"])
      yield* using(({ setPaused }) => setPaused("means", false))
      assert.deepStrictEqual([...(yield* using(({ paused }) => paused))], [])
      yield* written(topic, [{ key: "means/processor", value: Buffer.from("{}") }])
      const corrupt = yield* Effect.flip(using(({ processors }) => processors))
      assert.match(corrupt.message, /the definition of the processor means is unreadable/)
    })
  )

  it.live("note a version that is coming, until it is recorded, also if the process dies before that is noted", () =>
    Effect.gen(function* () {
      const topic = yield* newTopic
      const using = <A, E>(use: (streams: Streams["Service"]) => Effect.Effect<A, E>) =>
        Effect.flatMap(Streams, use).pipe(Effect.provide(on(topic)))
      yield* using(({ begin }) => begin(definition("readings")))
      assert.deepStrictEqual(yield* using(({ pending }) => pending), [definition("readings")])
      assert.deepStrictEqual(yield* using(({ all }) => all), [weatherStream])
      yield* using(({ record }) => record(definition("readings")))
      assert.deepStrictEqual(yield* using(({ pending }) => pending), [])
      // What is left of a process that died after the version and before the tombstone.
      const value = Buffer.from(JSON.stringify(definition("readings")))
      yield* written(topic, [{ key: "readings/pending", value }])
      assert.deepStrictEqual(yield* using(({ pending }) => pending), [])
      yield* using(({ begin }) => begin(definition("readings", 2)))
      assert.deepStrictEqual(yield* using(({ pending }) => pending), [definition("readings", 2)])
      yield* using(({ begin }) => begin(definition("readings", 2), true))
      assert.deepStrictEqual(yield* using(({ pending }) => pending), [{ ...definition("readings", 2), isHeld: true }])
      yield* using(({ withdraw }) => withdraw("readings"))
      assert.deepStrictEqual(yield* using(({ pending }) => pending), [])
    })
  )

  it.live("of a record that cannot be read are corrupt, with its position", () =>
    Effect.gen(function* () {
      const topic = yield* newTopic
      const using = <A, E>(use: (streams: Streams["Service"]) => Effect.Effect<A, E>) =>
        Effect.flatMap(Streams, use).pipe(Effect.provide(on(topic)))
      yield* using(({ record }) => record(definition("readings")))
      yield* written(topic, [
        { key: "note", value: Buffer.from("of another program") },
        { key: "readings/2", value: Buffer.from("{}") }
      ])
      const error = yield* Effect.flip(using(({ all }) => all))
      assert.strictEqual(error._tag, "LogCorrupt")
      assert.match(error.message, /at partition 0, offset 2: the definition of the stream readings is unreadable\.$/)
    })
  )
})
