import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, type Layer, Result, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { type Appended, EventLog, EventLogReader, type Position } from "../../services/EventLog.ts"
import { City, Temperature, type WeatherRecord } from "../../services/Weather.ts"

export const record = (city: string, ts = "2026-01-08-14"): WeatherRecord => ({ city, temperature: "72.50", ts })

export const positionsOf = ({ positions }: Appended): ReadonlyArray<Position> =>
  positions.flatMap(({ partition, offset, count }) =>
    Array.from({ length: count }, (_, i) => ({ partition, offset: offset + i }))
  )

/** The record at each position of an append, read one by one. */
const recordsAt = Effect.fnUntraced(function* (appended: Appended) {
  const log = yield* EventLogReader
  return yield* Effect.forEach(positionsOf(appended), (position) =>
    log.read(position, { until: "end" }).pipe(
      Stream.runHead,
      Effect.flatMap(Effect.fromOption),
      Effect.tap((event) => Effect.sync(() => assert.deepStrictEqual(event.position, position))),
      Effect.map((event) => event.record)
    )
  )
})

/** Every event of every partition. */
export const everything = Effect.gen(function* () {
  const log = yield* EventLogReader
  const { partitions } = yield* log.bounds
  const all = yield* Effect.forEach(partitions, ({ partition, start }) =>
    log.read({ partition, offset: start }, { until: "end" }).pipe(Stream.runCollect)
  )
  return all.flat()
})

const howOften = (city: string) =>
  Effect.map(everything, (events) => events.filter((event) => event.record.city === city).length)

/** New events of all partitions from now on. */
const following = Effect.gen(function* () {
  const log = yield* EventLogReader
  const { partitions } = yield* log.bounds
  return Stream.mergeAll(
    partitions.map(({ partition, end }) => log.read({ partition, offset: end })),
    { concurrency: "unbounded" }
  )
})

const city = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 256 }),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }),
    fc.constantFrom(
      'O\'Brien "Bay"',
      "🌧️".repeat(128),
      "القاهرة",
      "תל אביב",
      " x ",
      "\u{1F600}".repeat(256),
      "1:2,3 NULL"
    )
  )
  .filter(Schema.is(City))
const temperature = fc
  .oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom("-0", "00.50", "1e308", "5E-324", "0".repeat(32))
  )
  .filter(Schema.is(Temperature))
const validRecords = fc.array(fc.record({ city, temperature, ts: fc.constant("1970-01-01-00") }), {
  minLength: 1,
  maxLength: 20
})

/** What every EventLog must do; each implementation runs it, on a log that may hold events already. */
export const eventLogContract = <E>(name: string, log: Layer.Layer<EventLog | EventLogReader, E>) =>
  layer(log)(name, (it) => {
    it.effect("reads back what it acknowledged, in the order of the records", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const records = ["Oslo", "Lima", "Pune"].map((city) => record(city))
        yield* log.ready
        const appended = yield* log.append({ records })
        assert.strictEqual(positionsOf(appended).length, 3)
        assert.deepStrictEqual(yield* recordsAt(appended), records)
        assert.strictEqual(appended.ts, "2026-01-08-14")
        assert.isFalse(appended.repeated)
      })
    )

    it.effect("gives later appends later positions of the same partition, none of them twice", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const first = positionsOf(yield* log.append({ records: [record("one"), record("two")] }))
        const second = positionsOf(yield* log.append({ records: [record("three"), record("four")] }))
        for (const { partition, offset } of second) {
          for (const before of first) if (before.partition === partition) assert.isAbove(offset, before.offset)
        }
        const distinct = new Set([...first, ...second].map(({ partition, offset }) => `${partition}/${offset}`))
        assert.strictEqual(distinct.size, 4)
      })
    )

    it.effect("counts offsets without gaps from the start to the end of its bounds", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const reader = yield* EventLogReader
        yield* log.append({ records: Array.from({ length: 50 }, (_, i) => record(`Gapless ${i}`)) })
        const { partitions, logId } = yield* reader.bounds
        assert.isNotEmpty(logId)
        for (const { partition, start, end } of partitions) {
          const events = yield* reader.read({ partition, offset: start }, { until: "end" }).pipe(Stream.runCollect)
          assert.deepStrictEqual(
            events.map((event) => event.position),
            Array.from({ length: end - start }, (_, i) => ({ partition, offset: start + i }))
          )
        }
      })
    )

    it.effect("moves the end of its bounds by the number of records, and keeps its id", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const reader = yield* EventLogReader
        const total = Effect.map(reader.bounds, ({ partitions }) => partitions.reduce((sum, { end }) => sum + end, 0))
        const { logId } = yield* reader.bounds
        const before = yield* total
        yield* log.append({ records: [record("a"), record("b"), record("c")] })
        assert.strictEqual(yield* total, before + 3)
        assert.strictEqual((yield* reader.bounds).logId, logId)
      })
    )

    it.effect("reads nothing from the end until the end", () =>
      Effect.gen(function* () {
        const reader = yield* EventLogReader
        for (const { partition, end } of (yield* reader.bounds).partitions) {
          const events = yield* reader.read({ partition, offset: end }, { until: "end" }).pipe(Stream.runCollect)
          assert.deepStrictEqual([...events], [])
        }
      })
    )

    it.effect("ends at the end that the log had when the stream started", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const reader = yield* EventLogReader
        const appended = yield* log.append({ records: [record("Before"), record("Before")] })
        const [position] = positionsOf(appended)
        assert.isDefined(position)
        const { partitions } = yield* reader.bounds
        const end = partitions.find(({ partition }) => partition === position.partition)?.end
        const events = yield* reader.read(position, { until: "end" }).pipe(
          Stream.tap(() => log.append({ records: [record("Meanwhile")] })),
          Stream.runCollect
        )
        assert.strictEqual(events.at(-1)?.position.offset, (end ?? 0) - 1)
      })
    )

    it.effect("follows: first what is there, then what comes", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const seenFirst = yield* Deferred.make<void>()
        const follow = yield* following
        const fiber = yield* follow.pipe(
          Stream.tap(({ record }) => (record.city === "First" ? Deferred.succeed(seenFirst, undefined) : Effect.void)),
          Stream.filter(({ record }) => record.city === "First" || record.city === "Second"),
          Stream.take(2),
          Stream.runCollect,
          Effect.forkChild({ startImmediately: true })
        )
        const first = yield* log.append({ records: [record("First")] })
        yield* Deferred.await(seenFirst)
        const second = yield* log.append({ records: [record("Second")] })
        const events = yield* Fiber.join(fiber)
        assert.deepStrictEqual(
          events.map((event) => event.position),
          [...positionsOf(first), ...positionsOf(second)]
        )
      })
    )

    it.effect("lets several follow at once", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const follow = yield* following
        const fibers = yield* Effect.forEach([1, 2, 3], () =>
          follow.pipe(
            Stream.filter(({ record }) => record.city.startsWith("Shared")),
            Stream.take(20),
            Stream.runCollect,
            Effect.forkChild({ startImmediately: true })
          )
        )
        const cities = Array.from({ length: 20 }, (_, i) => `Shared ${i}`)
        for (const city of cities) yield* log.append({ records: [record(city)] })
        for (const fiber of fibers) {
          const seen = (yield* Fiber.join(fiber)).map((event) => event.record.city)
          assert.deepStrictEqual(seen.sort(), [...cities].sort())
        }
      })
    )

    it.effect("fails to read from beyond its end, naming where the log ends", () =>
      Effect.gen(function* () {
        const reader = yield* EventLogReader
        const [bounds] = (yield* reader.bounds).partitions
        assert.isDefined(bounds)
        const { partition, end } = bounds
        const error = yield* reader.read({ partition, offset: end + 1 }).pipe(Stream.runDrain, Effect.flip)
        assert.strictEqual(error._tag, "LogCorrupt")
        if (error._tag === "LogCorrupt") assert.deepStrictEqual(error.position, { partition, offset: end })
      })
    )

    it.effect("logs each of many concurrent appends exactly once", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const sent = Array.from({ length: 300 }, (_, i) => [
          record(`Crowd ${i}`),
          record(`Crowd ${i}`, "2026-01-08-15")
        ])
        const appended = yield* Effect.forEach(sent, (records) => log.append({ records }), { concurrency: "unbounded" })
        const places = appended.flatMap(positionsOf).map(({ partition, offset }) => `${partition}/${offset}`)
        assert.strictEqual(new Set(places).size, 600)
        const events = yield* everything
        const at = new Map(events.map(({ position, record }) => [`${position.partition}/${position.offset}`, record]))
        assert.deepStrictEqual(
          places.map((place) => at.get(place)),
          sent.flat()
        )
        assert.strictEqual(events.filter(({ record }) => record.city.startsWith("Crowd ")).length, 600)
      })
    )

    it.effect("repeats the answer for a key that is used again, with the first hour, and logs nothing", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const idempotency = { key: "repeat", digest: "d1" }
        const first = yield* log.append({ records: [record("Repeat"), record("Repeat")], idempotency })
        const again = yield* log.append({
          records: [record("Repeat", "2026-01-08-15"), record("Repeat", "2026-01-08-15")],
          idempotency
        })
        assert.deepStrictEqual(positionsOf(again), positionsOf(first))
        assert.strictEqual(again.ts, "2026-01-08-14")
        assert.isTrue(again.repeated)
        assert.isFalse(first.repeated)
        assert.strictEqual(yield* howOften("Repeat"), 2)
      })
    )

    it.effect("rejects a key for something else, and logs nothing", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        yield* log.append({ records: [record("Mine")], idempotency: { key: "taken", digest: "d1" } })
        const error = yield* Effect.flip(
          log.append({ records: [record("Other")], idempotency: { key: "taken", digest: "d2" } })
        )
        assert.strictEqual(error._tag, "KeyReused")
        assert.strictEqual(yield* howOften("Other"), 0)
      })
    )

    it.effect("rejects a key that is in flight, and logs the first only", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const append = log.append({ records: [record("Twin")], idempotency: { key: "twin", digest: "d1" } })
        const [one, two] = yield* Effect.all([Effect.result(append), Effect.result(append)], {
          concurrency: "unbounded"
        })
        assert.isTrue(Result.isSuccess(one) && !one.success.repeated)
        assert.isTrue(Result.isFailure(two) && two.failure._tag === "KeyInFlight")
        assert.isTrue((yield* append).repeated)
        assert.strictEqual(yield* howOften("Twin"), 1)
      })
    )

    it.effect("logs an append that was interrupted entirely or not at all; its key, used again, makes it once", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const append = log.append({
          records: [record("Cut"), record("Cut"), record("Cut")],
          idempotency: { key: "cut", digest: "d1" }
        })
        const fiber = yield* Effect.forkChild(append, { startImmediately: true })
        yield* Fiber.interrupt(fiber)
        yield* Effect.retry(append, { while: (error) => error._tag === "KeyInFlight" })
        assert.strictEqual(yield* howOften("Cut"), 3)
      })
    )

    it.effect("keeps any valid record byte for byte", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const context = yield* Effect.context<EventLogReader>()
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(validRecords, (records) =>
              log.append({ records }).pipe(
                Effect.flatMap(recordsAt),
                Effect.map((found) => assert.deepStrictEqual(found, records)),
                Effect.runPromiseWith(context)
              )
            ),
            { numRuns: 50 }
          )
        )
      })
    )

    it.effect("finds in each partition the first event that is not older than a time", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const reader = yield* EventLogReader
        // Brokers, too, gave the events before it the time of this machine.
        const base = Date.now() + 1_000
        const logged: Array<{ readonly position: Position; readonly at: number }> = []
        for (let at = base; at < base + 200; at += 10) {
          yield* TestClock.setTime(at)
          const [position] = positionsOf(yield* log.append({ records: [record(`Timed ${at}`)] }))
          assert.isDefined(position)
          logged.push({ position, at })
        }
        for (const bounds of (yield* reader.bounds).partitions) {
          const here = logged.filter(({ position }) => position.partition === bounds.partition)
          const firstFrom = (millis: number) => here.find(({ at }) => at >= millis)?.position.offset ?? bounds.end
          for (const millis of [base - 5, base, base + 7, base + 90, base + 190, base + 191]) {
            assert.strictEqual(yield* reader.firstAt(bounds, millis), firstFrom(millis))
          }
          const cut = { ...bounds, start: firstFrom(base + 50), end: firstFrom(base + 100) }
          assert.strictEqual(yield* reader.firstAt(cut, base), cut.start)
          assert.strictEqual(yield* reader.firstAt(cut, base + 150), cut.end)
        }
      })
    )
  })
