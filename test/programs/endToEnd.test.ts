import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import type { WeatherReading, WeatherRecord } from "../../services/Weather.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdRows, sorted } from "../support/icebirdReader.ts"
import { freePort, type Program, start } from "../support/program.ts"

const kills = 6
/** Acknowledged records between two kills, so that kills hit a commit at different moments. */
const between = [700, 1_150, 430, 910]
const singles = 24
const batches = 4
const batchSize = 25

const LoggedOne = Schema.Struct({ data: Schema.Struct({ ts: Schema.String }) })
const LoggedMany = Schema.Struct({
  data: Schema.Struct({ count: Schema.Int, positions: Schema.Array(Schema.Struct({ count: Schema.Int })) })
})
const decodeOne = Schema.decodeUnknownSync(Schema.fromJsonString(LoggedOne))
const decodeMany = Schema.decodeUnknownSync(Schema.fromJsonString(LoggedMany))

const cities = ["Oslo", 'Lima "la Gris"', "東京 🌧️", "القاهرة", "a,b;c\\d", "São Tomé & Príncipe %41+"]

/** Sends each record under its key until it is acknowledged, and keeps the acknowledged ones. */
const makeLoad = (base: string) => {
  const acknowledged: Array<WeatherRecord> = []
  const waiting = new Set<{ readonly count: number; readonly deferred: Deferred.Deferred<void> }>()
  let failures = 0
  let stopping = false
  let made = 0

  const nextReading = (): WeatherReading => {
    const n = made++
    // Every record occurs twice, so that the number of copies must be right.
    const block = Math.floor(n / (2 * cities.length))
    return { city: `${cities[n % cities.length]} ${block}`, temperature: `${block % 120}.50` }
  }

  const keep = (records: ReadonlyArray<WeatherRecord>) => {
    acknowledged.push(...records)
    for (const one of waiting) if (acknowledged.length >= one.count) Deferred.doneUnsafe(one.deferred, Effect.void)
  }

  const untilAcknowledged = (request: () => Promise<Response>) =>
    Effect.gen(function* () {
      while (true) {
        const answer = yield* Effect.tryPromise(async () => {
          const response = await request()
          return { status: response.status, body: await response.text() }
        }).pipe(Effect.orElseSucceed(() => undefined))
        if (answer?.status === 200) return answer.body
        if (answer !== undefined) assert.include([409, 429, 503], answer.status, answer.body)
        failures++
        yield* Effect.sleep("15 millis")
      }
    })

  const single = Effect.gen(function* () {
    const { city, temperature } = nextReading()
    const headers = { "idempotency-key": randomUUID() }
    const query = `city=${encodeURIComponent(city)}&temperature=${temperature}`
    const body = yield* untilAcknowledged(() => fetch(`${base}/log?${query}`, { headers }))
    keep([{ city, temperature, ts: decodeOne(body).data.ts }])
  })

  const batch = Effect.gen(function* () {
    const readings = Array.from({ length: batchSize }, nextReading)
    const headers = { "idempotency-key": randomUUID(), "content-type": "application/json" }
    const request = { method: "POST", headers, body: JSON.stringify(readings) }
    const { data } = decodeMany(yield* untilAcknowledged(() => fetch(`${base}/events`, request)))
    assert.strictEqual(data.count, batchSize)
    assert.strictEqual(
      data.positions.reduce((sum, { count }) => sum + count, 0),
      batchSize
    )
    keep(readings.map((reading) => ({ ...reading, ts: "" })))
  })

  const worker = (work: Effect.Effect<void>) =>
    Effect.whileLoop({ while: () => !stopping, body: () => work, step: () => {} })

  return {
    acknowledged,
    failures: () => failures,
    run: Effect.all(
      [Effect.replicateEffect(worker(single), singles, all), Effect.replicateEffect(worker(batch), batches, all)],
      all
    ),
    stop: () => {
      stopping = true
    },
    /** Waits for this many more acknowledged records. */
    more: (count: number) =>
      Effect.suspend(() => {
        const deferred = Deferred.makeUnsafe<void>()
        waiting.add({ count: acknowledged.length + count, deferred })
        return Deferred.await(deferred)
      })
  }
}

const all = { concurrency: "unbounded", discard: true } as const

const inTable = (output: string) => Number([...output.matchAll(/ up to weather\/0\/(\d+) /g)].at(-1)?.[1] ?? -1) + 1

const killed = (program: Program) =>
  Effect.promise(async () => {
    program.signal("SIGKILL")
    assert.deepStrictEqual(await program.ended, { code: null, signal: "SIGKILL" })
  })

const withoutHour = (rows: ReadonlyArray<WeatherRecord>) => sorted(rows.map((row) => ({ ...row, ts: "" })))

describe("end to end", () => {
  it.live(
    "the table holds every acknowledged record exactly once and nothing else, whatever is killed",
    () =>
      Effect.gen(function* () {
        const data = yield* temporaryFolder
        const port = yield* freePort
        const env = { FLOE_DATA: data, FLOE_PORT: `${port}`, FLOE_COMMIT_INTERVAL: "50 millis" }
        const load = makeLoad(`http://127.0.0.1:${port}`)
        let sink = yield* start("sink", env)
        let server = yield* start("server", env)
        const sending = yield* Effect.forkChild(load.run)

        for (let kill = 0; kill < kills; kill++) {
          yield* load.more(between[kill % between.length] ?? 500)
          yield* killed(server)
          server = yield* start("server", env)
          yield* load.more(between[(kill + 1) % between.length] ?? 500)
          yield* Effect.promise(() => sink.until((output) => inTable(output) > 0))
          yield* killed(sink)
          sink = yield* start("sink", env)
        }
        yield* load.more(500)
        load.stop()
        yield* Fiber.join(sending)
        assert.isAbove(load.failures(), kills, "the kills came in the middle of the load")

        yield* Effect.promise(() => sink.until((output) => inTable(output) >= load.acknowledged.length))
        for (const program of [server, sink]) {
          program.signal("SIGTERM")
          assert.deepStrictEqual(
            yield* Effect.promise(() => program.ended),
            { code: 0, signal: null },
            program.output()
          )
        }

        const rows = yield* icebirdRows(join(data, "warehouse", "default", "weather"))
        assert.deepStrictEqual(withoutHour(rows), withoutHour(load.acknowledged))
        const answered = new Set(sorted(load.acknowledged.filter(({ ts }) => ts !== "")))
        const hours = new Set(load.acknowledged.map(({ ts }) => ts))
        const landed = new Set(sorted(rows))
        for (const record of answered) assert.isTrue(landed.has(record), record)
        for (const { ts } of rows) assert.isTrue(hours.has(ts), ts)
      }),
    60_000
  )
})
