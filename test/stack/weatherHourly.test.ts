/** The built-in processor on the stack: what the server logs of two hours, and the rows that Trino reads. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Cluster } from "../../layers/log/kafka/Cluster.ts"
import * as Producer from "../../layers/log/kafka/Producer.ts"
import { sendOne } from "../../layers/log/kafka/sendOne.ts"
import { EventLog } from "../../services/EventLog.ts"
import { byKeyTopicOf, stateTopicOf, streamsTopic } from "../../services/Topics.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { built, floe, run } from "../support/program.ts"
import { compose } from "./docker.ts"
import { logOn, remove } from "./kafkaTopic.ts"
import { removeStreams } from "./removedStreams.ts"
import { trino, until } from "./weather.ts"

const name = "weather_hourly"
const env = { FLOE_PROFILE: "distributed", FLOE_WEATHER_HOURLY: "true" }

/** What the service setup makes of it, until the scope closes. */
const created = Effect.acquireRelease(
  Effect.promise(() => compose("run", "--rm", "--env", "FLOE_WEATHER_HOURLY=true", "setup")),
  () =>
    Effect.gen(function* () {
      yield* Effect.promise(() => removeStreams([name, `${name}_late`]))
      for (const topic of [stateTopicOf(name), byKeyTopicOf(name), stateTopicOf(byKeyTopicOf(name))]) {
        yield* Effect.ignore(remove(topic))
      }
      const producer = yield* Producer.connect(streamsTopic, () => {})
      yield* sendOne(streamsTopic, producer, { key: `${name}/processor`, value: null })
    }).pipe(Effect.scoped, Effect.provide(Cluster.layer), Effect.orDie)
)

const hourMillis = 3_600_000
const textOf = (hour: number) => new Date(hour * hourMillis).toISOString().slice(0, 13).replace("T", "-")

/** An hour that is still open, whatever a test before has logged. */
const openHour = Effect.gen(function* () {
  const [row] = yield* Effect.promise(() => trino("SELECT max(ts) FROM iceberg.default.weather"))
  const [, day = "", hour = ""] = /^(\d{4}-\d\d-\d\d)-(\d\d)$/.exec(row?.[0] ?? "") ?? []
  const last = day === "" ? 0 : Date.parse(`${day}T${hour}:00:00Z`) / hourMillis
  return Math.max(last + 1, Math.floor(Date.now() / hourMillis))
})

it.live(
  "weather_hourly has readings, min, max and mean of each city, once the next hour has begun",
  () =>
    Effect.gen(function* () {
      yield* created
      const cwd = yield* temporaryFolder
      const program = yield* run(process.execPath, [built("processor")], env, { cwd })
      yield* Effect.promise(() => program.printed(/weather_hourly, partition 0, works/))
      const prefix = `hourly ${Date.now()}`
      const hour = yield* openHour
      const readings = Array.from({ length: 500 }, (_, i) => ({
        city: `${prefix} ${i % 7}`,
        temperature: String(((i * 37) % 160) - 40 + 0.25),
        ts: textOf(hour)
      }))
      const next = Array.from({ length: 64 }, (_, i) => ({
        city: `${prefix}-next ${i}`,
        temperature: "1",
        ts: textOf(hour + 1)
      }))
      yield* Effect.gen(function* () {
        const { append } = yield* EventLog
        // Fails while it still reads the idempotency keys of the topic.
        yield* Effect.retry(append({ records: readings }), { schedule: Schedule.spaced("200 millis"), times: 100 })
        yield* append({ records: next })
      }).pipe(Effect.provide(Layer.fresh(logOn("weather"))))

      const of = (city: string) =>
        readings.filter((one) => one.city === city).map(({ temperature }) => Number(temperature))
      const expected = [...new Set(readings.map(({ city }) => city))].sort().map((city) => {
        const all = of(city)
        const mean = all.reduce((sum, one) => sum + one, 0) / all.length
        return [city, textOf(hour), String(all.length), Math.min(...all), Math.max(...all), mean] as const
      })
      const rows = yield* Effect.promise(() =>
        until(
          "the rows of the hour",
          () =>
            trino(
              `SELECT city, format_datetime(hour AT TIME ZONE 'UTC', 'yyyy-MM-dd-HH'), readings, min, max, mean FROM iceberg.default.weather_hourly WHERE city LIKE '${prefix} %' ORDER BY city`
            ),
          (found) => found.length >= expected.length
        )
      )
      assert.deepStrictEqual(
        rows.map(([city, at, count, min, max]) => [city, at, count, Number(min), Number(max)]),
        expected.map(([city, at, count, min, max]) => [city, at, count, min, max])
      )
      for (const [i, row] of rows.entries()) assert.closeTo(Number(row[5]), expected[i]?.[5] ?? Number.NaN, 1e-9)
      const late = yield* Effect.promise(() =>
        trino(`SELECT count(*) FROM iceberg.default.weather_hourly_late WHERE city LIKE '${prefix}%'`)
      )
      assert.deepStrictEqual(late, [["0"]])
      const audited = yield* floe(["audit", "--stream", name], env)
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
      const status = yield* floe(["status"], env)
      assert.match(status.out, /weather_hourly +processor running/, status.err)
      const { checks } = JSON.parse((yield* floe(["doctor", "--json"], env)).out)
      const ofIt = checks.filter(({ name: check }: { name: string }) => check === "processors" || check.includes(name))
      assert.isAbove(ofIt.length, 4)
      for (const { findings, name: check } of ofIt) assert.deepStrictEqual(findings, [], check)
    }),
  { timeout: 200_000 }
)
