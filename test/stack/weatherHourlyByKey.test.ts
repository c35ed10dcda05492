/** The built-in processor over a topic of weather with three partitions: a broker is all it needs, on which nothing else runs it. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { builtIn } from "../../layers/declaration/builtIn.ts"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import { EventLog } from "../../services/EventLog.ts"
import { byKeyTopicOf, deadLettersOf, stateTopicOf } from "../../services/Topics.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { built, run } from "../support/program.ts"
import { count, poll, working } from "./byKeyCopy.ts"
import { committed } from "./kafkaPlace.ts"
import * as KafkaProject from "./kafkaProject.ts"
import { logOn, temporaryTopic } from "./kafkaTopic.ts"

const name = "weather_hourly"
const partitions = [0, 1, 2]
const cities = 40

const hourOf = (hour: number) => `2026-01-08-${String(hour).padStart(2, "0")}`
const readingsOf = (hour: number) =>
  Array.from({ length: 600 }, (_, i) => ({
    city: `Town ${(i * 7) % cities}`,
    temperature: String(((i * 37 + hour * 11) % 160) - 40 + 0.25),
    ts: hourOf(hour)
  }))

/** The first three hours, as any one log of them would have them. */
const expected = [0, 1, 2].flatMap((hour) => {
  const readings = readingsOf(hour)
  return [...new Set(readings.map(({ city }) => city))].map((city) => {
    const all = readings.filter((one) => one.city === city).map(({ temperature }) => Number(temperature))
    const mean = all.reduce((sum, one) => sum + one, 0) / all.length
    const hourText = `2026-01-08T0${hour}:00:00.000000Z`
    return { city, hour: hourText, readings: all.length, min: Math.min(...all), max: Math.max(...all), mean }
  })
})

const nameOf = ({ city, hour }: { readonly city: string; readonly hour: string }) => `${hour} ${city}`

it.live(
  "weather_hourly over three partitions has the rows that it has over one",
  () =>
    Effect.gen(function* () {
      const topic = yield* temporaryTopic(partitions.length)
      const byKey = byKeyTopicOf(name)
      yield* KafkaProject.topics(
        [
          [byKey, partitions.length],
          [name, 1],
          [`${name}_late`, 1],
          [deadLettersOf(name), 1]
        ],
        [
          [stateTopicOf(byKey), 1],
          [stateTopicOf(name), partitions.length]
        ]
      )
      yield* KafkaProject.applied(
        builtIn.streams.filter(({ writer }) => writer === name).map((one) => firstVersion(one, Date.now()))
      )
      const append = Effect.fnUntraced(
        function* (hour: number) {
          const records = readingsOf(hour)
          const log = yield* EventLog
          for (let at = 0; at < records.length; at += 50) yield* log.append({ records: records.slice(at, at + 50) })
        },
        Effect.provide(Layer.fresh(logOn(topic)))
      )
      const of = (one: string) => Effect.forEach(partitions, (partition) => committed(one, partition))

      // Two hours are there before it starts.
      yield* append(0)
      yield* append(1)
      const cwd = yield* temporaryFolder
      const env = { ...KafkaProject.environment, FLOE_WEATHER_HOURLY: "true", FLOE_TOPIC: topic }
      const program = yield* run(process.execPath, [built("processor")], env, { cwd })
      yield* working(program, 4)
      yield* append(2)
      yield* append(3)
      const rows = yield* poll(committed(name), ({ length }) => length >= expected.length)
      const found = rows.map(({ value }) => JSON.parse(String(value))).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
      expected.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
      assert.deepStrictEqual(
        found.map(({ mean, ...row }) => row),
        expected.map(({ mean, ...row }) => row)
      )
      for (const [i, { mean }] of expected.entries()) assert.closeTo(found[i].mean, mean, 1e-9)
      assert.deepStrictEqual(yield* committed(`${name}_late`), [])
      for (const one of [topic, byKey]) {
        const logs = yield* poll(of(one), (found) => count(found) >= 4 * 600)
        assert.strictEqual(count(logs), 4 * 600)
        assert.isAbove(logs.filter(({ length }) => length > 0).length, 1)
      }
    }).pipe(Effect.provide(Cluster.layer)),
  120_000
)
