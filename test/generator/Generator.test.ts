import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Deferred, Effect, Layer, Logger, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Generator from "../../layers/generator/Generator.ts"
import * as Readings from "../../layers/generator/readings.ts"
import { LogClient, ReadingRejected, ServerUnavailable } from "../../services/LogClient.ts"
import { WeatherReading } from "../../services/Weather.ts"
import { temporaryFolder } from "../support/dataFolder.ts"

interface Sent {
  readonly at: number
  readonly reading: WeatherReading
  readonly key: string
}

const unavailable = new ServerUnavailable({ server: "at http://127.0.0.1:1", reason: "a test", cause: "a test" })

/** A server that records what was sent and replies with `answer`, and the log lines of the generator. */
const generating = (
  env: Record<string, string>,
  answer: (sent: Sent) => Effect.Effect<void, ServerUnavailable | ReadingRejected>
) =>
  Effect.gen(function* () {
    const sent: Array<Sent> = []
    const lines: Array<string> = []
    const whole = yield* Deferred.make<void>()
    const client = Layer.mock(LogClient, {
      send: Effect.fnUntraced(function* (reading, key) {
        const one = { at: yield* Clock.currentTimeMillis, reading, key }
        sent.push(one)
        yield* answer(one)
      })
    })
    const logger = Logger.make(({ message }) => {
      lines.push(String(message))
      if (/ (\d+) of \1 records? /.test(String(message))) Deferred.doneUnsafe(whole, Effect.void)
    })
    yield* Layer.build(
      Generator.layer.pipe(
        Layer.provide([client, ConfigProvider.layer(ConfigProvider.fromEnvRecord(env)), Logger.layer([logger])])
      )
    ).pipe(Effect.provide(Logger.layer([logger])))
    yield* TestClock.adjust(0)
    return { sent, lines, wholeBatch: Deferred.await(whole) }
  })

describe("the generator", () => {
  it.effect("sends 10 records at once, and 10 more 5 seconds after they are acknowledged", () =>
    Effect.gen(function* () {
      const slow = yield* Deferred.make<void>()
      const { sent } = yield* generating({}, ({ at }) => (at === 5000 ? Deferred.await(slow) : Effect.void))
      assert.strictEqual(sent.length, 10)
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(sent.length, 10)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(sent.length, 20)

      yield* TestClock.adjust("1 minute")
      assert.strictEqual(sent.length, 20, "no tick starts before the previous one is done")
      yield* Deferred.succeed(slow, undefined)
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(sent.length, 20)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(sent.length, 30)
      assert.deepStrictEqual(
        sent.map(({ at }) => at),
        [...Array(10).fill(0), ...Array(10).fill(5000), ...Array(10).fill(70_000)]
      )
    })
  )

  it.effect("takes interval and batch from the environment", () =>
    Effect.gen(function* () {
      const { sent } = yield* generating({ FLOE_INTERVAL: "2 seconds", FLOE_BATCH: "3" }, () => Effect.void)
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(
        sent.map(({ at }) => at),
        [0, 0, 0, 2000, 2000, 2000, 4000, 4000, 4000]
      )
    })
  )

  it.effect("generates the same readings from the same seed, each under its own key", () =>
    Effect.gen(function* () {
      const first = yield* Effect.scoped(generating({ FLOE_SEED: "7", FLOE_BATCH: "40" }, () => Effect.void))
      const again = yield* Effect.scoped(generating({ FLOE_SEED: "7", FLOE_BATCH: "40" }, () => Effect.void))
      const other = yield* Effect.scoped(generating({ FLOE_SEED: "8", FLOE_BATCH: "40" }, () => Effect.void))
      const readings = ({ sent }: typeof first) => sent.map(({ reading }) => reading)
      assert.strictEqual(first.sent.length, 40)
      assert.deepStrictEqual(readings(first), readings(again))
      assert.notDeepEqual(readings(first), readings(other))
      const keys = [first, again, other].flatMap(({ sent }) => sent.map(({ key }) => key))
      assert.strictEqual(new Set(keys).size, 120)
      for (const key of keys) assert.match(key, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    })
  )

  it.effect("retries a record under its key until it is acknowledged, with backoff, and logs that once", () =>
    Effect.gen(function* () {
      let away = true
      const { sent, lines } = yield* generating({ FLOE_BATCH: "4" }, () =>
        Effect.suspend(() => (away ? Effect.fail(unavailable) : Effect.void))
      )
      yield* TestClock.adjust("5 minutes")
      const keys = new Set(sent.map(({ key }) => key))
      assert.strictEqual(keys.size, 4, "no new records before the previous ones are acknowledged")
      for (const key of keys) {
        const tries = sent.filter((one) => one.key === key)
        assert.strictEqual(new Set(tries.map(({ reading }) => `${reading.city} ${reading.temperature}`)).size, 1)
        const waits = tries.slice(1).map(({ at }, i) => at - (tries[i]?.at ?? 0))
        assert.isBelow(waits[0] ?? Number.NaN, 300)
        assert.isAbove(Math.min(...waits.slice(-10)), 3900)
        assert.isBelow(Math.max(...waits), 6100)
        assert.isAbove(new Set(waits.slice(-10)).size, 5, "the waits are spread")
      }
      assert.deepStrictEqual(lines.length, 1)
      assert.include(lines[0], unavailable.message)

      away = false
      for (let tenths = 0; tenths < 70 && lines.length < 3; tenths++) yield* TestClock.adjust("100 millis")
      assert.strictEqual(lines.length, 3)
      assert.include(lines[1], "answers again")
      assert.include(lines[2], "4 of 4")
      assert.deepStrictEqual(new Set(sent.slice(-4).map(({ key }) => key)), keys)
    })
  )

  it.effect("writes the time of the last batch that was acknowledged as a whole to FLOE_HEARTBEAT", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "acknowledged")
      let reject = true
      const { lines, wholeBatch } = yield* generating({ FLOE_HEARTBEAT: file, FLOE_BATCH: "2" }, () =>
        reject ? Effect.fail(new ReadingRejected({ status: 400, reason: "No.", errors: [] })) : Effect.void
      )
      assert.include(lines.at(-1), "0 of 2")
      assert.isFalse(existsSync(file))
      reject = false
      yield* TestClock.adjust("5 seconds")
      yield* wholeBatch
      assert.strictEqual(readFileSync(file, "utf8"), "1970-01-01T00:00:05.000Z\n")
    })
  )

  it.effect("drops a rejected reading and logs the reason", () =>
    Effect.gen(function* () {
      let reject = true
      const { sent, lines } = yield* generating({ FLOE_BATCH: "3" }, () =>
        Effect.suspend(() => {
          if (!reject) return Effect.void
          reject = false
          return Effect.fail(new ReadingRejected({ status: 400, reason: "The city is not known.", errors: [] }))
        })
      )
      assert.strictEqual(sent.length, 3)
      assert.include(lines[0], "rejected the reading (400): The city is not known.")
      assert.include(lines[1], "2 of 3")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(sent.length, 6)
      assert.strictEqual(new Set(sent.map(({ key }) => key)).size, 6)
      assert.include(lines[2], "5 in all")
    })
  )

  it.effect("limits the records in flight", () =>
    Effect.gen(function* () {
      const { sent } = yield* generating({ FLOE_BATCH: "1000" }, () => Effect.never)
      assert.strictEqual(sent.length, 32)
    })
  )

  it.effect("generates valid readings from 0.00 to 120.00 with two decimals", () =>
    Effect.gen(function* () {
      const next = yield* Readings.from(Option.some(1))
      const readings = yield* Effect.replicateEffect(next, 2000)
      const decode = Schema.decodeUnknownEffect(WeatherReading, { onExcessProperty: "error" })
      for (const reading of readings) {
        yield* decode(reading)
        assert.match(reading.temperature, /^\d{1,3}\.\d\d$/)
      }
      const degrees = readings.map(({ temperature }) => Number(temperature))
      assert.isAtLeast(Math.min(...degrees), 0)
      assert.isBelow(Math.min(...degrees), 1)
      assert.isAtMost(Math.max(...degrees), 120)
      assert.isAbove(Math.max(...degrees), 119)
      assert.isAbove(new Set(readings.map(({ city }) => city)).size, 500)
    })
  )
})
