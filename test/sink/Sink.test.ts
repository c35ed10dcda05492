import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Clock, ConfigProvider, Context, Deferred, Effect, Exit, Layer, Logger, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryLog from "../../layers/log/memory/EventLog.ts"
import { Sink } from "../../layers/sink/Sink.ts"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import type { Failpoint } from "../../layers/table/iceberg/commitMetadata.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLog, EventLogReader, LogCorrupt, LogMissing, LogUnavailable } from "../../services/EventLog.ts"
import { TableUnavailable, TableWriter } from "../../services/TableWriter.ts"
import type { WeatherRecord } from "../../services/Weather.ts"
import { temporary } from "../support/dataFolder.ts"
import { icebirdRows, sorted } from "../support/icebirdReader.ts"
import { Announcements, announcingControl, announcingWriter, until } from "../support/waiting.ts"
import * as wallClock from "../support/wallClock.ts"
import { weatherOnly, weatherWriter } from "../support/weatherOnly.ts"

const settings = (interval: string) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown({ FLOE_COMMIT_INTERVAL: interval, FLOE_SNAPSHOT_KEEP: "5" }))

const environment = Layer.mergeAll(MemoryLog.layer, announcingControl, LeasesLayer.layer).pipe(
  Layer.provideMerge(Layer.merge(temporary, Announcements.layer))
)

const writerLayer = Layer.effect(TableWriter, Effect.flatMap(TableWriter, announcingWriter)).pipe(
  Layer.provide(TableWriterLayer.layer)
)

const sinkLayer = (interval: string) =>
  Sink.layer.pipe(
    Layer.provide([weatherOnly, weatherWriter]),
    Layer.provideMerge(writerLayer),
    Layer.provide(settings(interval))
  )

/** A sink as a program runs it; `stop` is its orderly end. */
const start = Effect.fnUntraced(function* (interval = "20 millis") {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const services = yield* Layer.buildWithScope(Layer.fresh(sinkLayer(interval)), scope)
  return {
    sink: Context.get(services, Sink),
    table: Context.get(services, TableWriter),
    stop: Scope.close(scope, Exit.void)
  }
})

let made = 0
const someRecords = (count: number): ReadonlyArray<WeatherRecord> =>
  Array.from({ length: count }, () => ({
    city: `City ${made++}`,
    temperature: (made / 100).toFixed(2),
    ts: `2026-01-08-1${made % 3}`
  }))

const append = Effect.fnUntraced(function* (count: number) {
  const records = someRecords(count)
  yield* (yield* EventLog).append({ records })
  return records
})

const committedAt = (table: TableWriter["Service"], offset: number) =>
  until(table.committed, (committed) => Option.exists(committed, ({ progress }) => progress.offset === offset))

const finished = Effect.fnUntraced(function* (id: number) {
  const control = yield* SinkControl
  const request = yield* until(control.find(id), (request) =>
    Option.exists(request, ({ finishedAt }) => finishedAt !== null)
  )
  return Option.getOrThrow(request)
})

const rowsInTable = Effect.flatMap(DataFolder, ({ table }) => icebirdRows(table))

describe("Sink", () => {
  it.live("brings the log into the table, and resumes after a restart without lost or duplicate rows", () =>
    Effect.gen(function* () {
      const before = yield* append(20)
      const first = yield* start()
      yield* committedAt(first.table, 20)
      const meanwhile = yield* append(5)
      yield* committedAt(first.table, 25)
      yield* first.stop
      const later = yield* append(7)
      const second = yield* start()
      yield* committedAt(second.table, 32)
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted([...before, ...meanwhile, ...later]))
      const { logId } = yield* (yield* EventLogReader).bounds
      assert.strictEqual(Option.getOrThrow(yield* second.table.committed).progress.logId, logId)
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("commits what is staged when it ends, and reports that it stopped", () =>
    Effect.gen(function* () {
      const { table, stop } = yield* start("1 hour")
      const records = yield* append(10)
      yield* until(table.staged, (staged) => staged === 10)
      assert.isTrue(Option.isNone(yield* table.committed))
      yield* stop
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted(records))
      const status = Option.getOrThrow(yield* (yield* SinkControl).status)
      assert.deepStrictEqual([status.state, status.reason], ["stopped", null])
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("does not wait for the interval when 500,000 rows are staged", () =>
    Effect.gen(function* () {
      const log = yield* EventLog
      const records = someRecords(100_000)
      for (let i = 0; i < 5; i++) yield* log.append({ records })
      const { table } = yield* start("1 hour")
      yield* committedAt(table, 500_000)
      assert.strictEqual(Option.getOrThrow(yield* table.committed).rows, 500_000)
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("rejects an interval that is zero, negative or infinite", () =>
    Effect.gen(function* () {
      for (const interval of ["0 seconds", "-1 second", "Infinity"]) {
        const error = yield* Effect.flip(start(interval))
        assert.include(error.message, "FLOE_COMMIT_INTERVAL")
      }
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("commits nothing without new events", () =>
    Effect.gen(function* () {
      yield* append(3)
      const { table } = yield* start("1 millis")
      yield* committedAt(table, 3)
      const control = yield* SinkControl
      yield* finished(yield* control.request("resume"))
      assert.strictEqual(Option.getOrThrow(yield* table.committed).version, 1)
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("the whole log read into a new table gives the same rows", () =>
    Effect.gen(function* () {
      const { table, stop } = yield* start("10 millis")
      const records: Array<WeatherRecord> = []
      for (const count of [1, 40, 3, 200, 17]) {
        records.push(...(yield* append(count)))
        yield* committedAt(table, records.length)
      }
      yield* stop
      const rows = sorted(yield* rowsInTable)
      assert.deepStrictEqual(rows, sorted(records))
      yield* Effect.gen(function* () {
        const again = yield* start("10 millis")
        yield* committedAt(again.table, records.length)
        assert.deepStrictEqual(sorted(yield* rowsInTable), rows)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.mergeAll(announcingControl, LeasesLayer.layer).pipe(Layer.provideMerge(temporary), Layer.fresh)
        )
      )
    }).pipe(Effect.scoped, Effect.provide(environment))
  )
})

describe("Sink, when to commit", () => {
  /** A sink whose commits come by this way once their files are written. */
  const startWith = Effect.fnUntraced(function* (interval: string, failpoint: Failpoint) {
    const { root, table } = yield* DataFolder
    const writer = yield* TableWriterLayer.make({
      tableFolder: table,
      tempFolder: join(root, "temp"),
      snapshotKeep: 100,
      failpoint: (step) => (step === "written" ? failpoint(step) : Effect.void)
    }).pipe(Effect.flatMap(announcingWriter))
    yield* Layer.build(
      Sink.layer.pipe(
        Layer.provide([weatherOnly, weatherWriter.pipe(Layer.provide(Layer.succeed(TableWriter, writer)))]),
        Layer.provide(settings(interval))
      )
    )
    return writer
  })

  it.live("a commit that fails is tried again, and its rows are in the table once", () =>
    Effect.gen(function* () {
      let failures = 0
      const table = yield* startWith("20 millis", () =>
        failures < 2
          ? Effect.andThen(
              Effect.sync(() => failures++),
              Effect.fail(new TableUnavailable({ operation: "test", reason: "the disk is full", cause: undefined }))
            )
          : Effect.void
      )
      const records = yield* append(10)
      yield* committedAt(table, 10)
      assert.strictEqual(failures, 2)
      const more = yield* append(5)
      yield* committedAt(table, 15)
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted([...records, ...more]))
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("logs once that commits fail, and once that they work again, while events keep coming", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const recovered = yield* Deferred.make<void>()
      const logger = Logger.make(({ message }) => {
        lines.push(String(message))
        if (String(message) === "The table can be written again.") Deferred.doneUnsafe(recovered, Effect.void)
      })
      yield* Effect.gen(function* () {
        const log = yield* Effect.context<EventLog>()
        const full = new TableUnavailable({ operation: "test", reason: "the disk is full", cause: undefined })
        let failures = 0
        const table = yield* startWith("20 millis", () =>
          Effect.suspend(() =>
            failures++ < 4
              ? Effect.andThen(Effect.orDie(Effect.provide(append(1), log)), Effect.fail(full))
              : Effect.void
          )
        )
        yield* append(1)
        yield* committedAt(table, 5)
        assert.isAtLeast(failures, 5)
        yield* Deferred.await(recovered)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(
        lines.filter((line) => !line.startsWith("committed")),
        [
          "The table is unavailable (test): the disk is full. Retrying until it works.",
          "The table can be written again."
        ]
      )
    }).pipe(Effect.provide(environment))
  )

  const commitTimes = (commitMillis: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const times: Array<number> = []
      const { announce } = yield* Announcements
      const table = yield* startWith("1 second", () =>
        Effect.gen(function* () {
          times.push(yield* Clock.currentTimeMillis)
          yield* announce
          yield* Effect.sleep(commitMillis[times.length - 1] ?? 0)
        })
      )
      yield* append(1)
      for (let i = 0; i < commitMillis.length; i++) {
        yield* until(table.staged, (staged) => staged > 0)
        const now = yield* Clock.currentTimeMillis
        const wait = 1000 - (now % 1000)
        if (times.length === i && (commitMillis[i - 1] ?? 0) < 1000) yield* TestClock.adjust(wait)
        yield* until(
          Effect.sync(() => times.length),
          (length) => length > i
        )
        yield* append(1)
        yield* TestClock.adjust(commitMillis[i] ?? 0)
        yield* until(table.committed, (committed) =>
          Option.exists(committed, ({ progress }) => progress.offset === i + 1)
        )
      }
      return [...times]
    }).pipe(Effect.scoped, Effect.provide(environment))

  it.effect("the interval counts from commit to commit, however long a commit takes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* commitTimes([700, 700, 300, 0]), [1000, 2000, 3000, 4000])
    })
  )

  it.effect("the interval is elapsed time: a clock that is set back or ahead changes nothing", () =>
    Effect.gen(function* () {
      const { step } = yield* wallClock.WallClock
      const table = yield* startWith("1 second", () => Effect.void)
      for (const [i, by] of [0, -7_200_000, 10_800_000, -60_000].entries()) {
        yield* step(by)
        yield* append(1)
        yield* until(table.staged, (staged) => staged > 0)
        yield* TestClock.adjust("1 second")
        yield* until(table.committed, (committed) =>
          Option.exists(committed, ({ progress }) => progress.offset === i + 1)
        )
      }
    }).pipe(Effect.scoped, Effect.provide(environment), Effect.provide(wallClock.layer))
  )

  it.effect("after a commit that took longer than the interval, the next one starts at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* commitTimes([1400, 0, 0]), [1000, 2400, 3000])
    })
  )

  it.effect(
    "far behind the log, after a commit that took longer than the interval, stages for an interval before the next one",
    () =>
      Effect.gen(function* () {
        const times: Array<number> = []
        const { announce } = yield* Announcements
        const table = yield* startWith("1 second", () =>
          Effect.gen(function* () {
            times.push(yield* Clock.currentTimeMillis)
            yield* announce
            yield* Effect.sleep(times.length === 1 ? 1400 : 0)
          })
        )
        const began = (count: number) =>
          until(
            Effect.sync(() => times.length),
            (length) => length === count
          )
        const staged = until(table.staged, (staged) => staged > 0)
        yield* append(2_000)
        yield* staged
        yield* TestClock.adjust(1000)
        yield* began(1)
        yield* append(2_000)
        yield* TestClock.adjust(1400)
        yield* until(
          table.committed,
          Option.exists(({ progress }) => progress.offset === 2_000)
        )
        yield* staged
        yield* TestClock.adjust(1000)
        yield* began(2)
        assert.deepStrictEqual(times, [1000, 3400])
      }).pipe(Effect.scoped, Effect.provide(environment))
  )
})

describe("Sink, on request", () => {
  it.live("pauses with everything committed, and resumes where it stopped", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      yield* append(10)
      const { table } = yield* start()
      yield* committedAt(table, 10)
      const paused = yield* finished(yield* control.request("pause"))
      assert.strictEqual(paused.state, "done")
      assert.match(paused.outcome ?? "", /^Paused at offset 10\b/)
      assert.strictEqual(Option.getOrThrow(yield* control.status).state, "paused")
      yield* append(10)
      // The answer to a later request shows that the sink had its time to take the events in.
      yield* finished(yield* control.request("maintain"))
      assert.strictEqual(yield* table.staged, 0)
      assert.strictEqual(Option.getOrThrow(yield* table.committed).progress.offset, 10)
      const resumed = yield* finished(yield* control.request("resume"))
      assert.strictEqual(resumed.outcome, "Resumed at offset 10.")
      yield* committedAt(table, 20)
      assert.strictEqual(Option.getOrThrow(yield* control.status).state, "running")
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("stays paused when it starts again, until it is resumed", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      yield* append(10)
      const first = yield* start()
      yield* committedAt(first.table, 10)
      yield* finished(yield* control.request("pause"))
      yield* first.stop
      yield* append(10)
      const second = yield* start()
      yield* until(control.status, (status) => Option.exists(status, ({ state }) => state === "paused"))
      // The answer to a request shows that the sink had its time to take the events in.
      yield* finished(yield* control.request("maintain"))
      assert.strictEqual(yield* second.table.staged, 0)
      assert.strictEqual(Option.getOrThrow(yield* second.table.committed).progress.offset, 10)
      yield* finished(yield* control.request("resume"))
      yield* committedAt(second.table, 20)
      yield* second.stop
      const third = yield* start()
      yield* append(1)
      yield* committedAt(third.table, 21)
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("logs once that it cannot write its control database, and neither spins nor stops", () =>
    Effect.gen(function* () {
      const { controlDatabase } = yield* DataFolder
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => lines.push(String(message)))
      yield* Effect.gen(function* () {
        yield* (yield* SinkControl).request("pause")
        const database = new DatabaseSync(controlDatabase)
        // FAIL keeps what the statement did before it.
        database.exec(`CREATE TABLE tries (n INTEGER);
          CREATE TRIGGER stuck BEFORE UPDATE ON requests
          BEGIN INSERT INTO tries VALUES (1); SELECT RAISE(FAIL, 'disk full'); END`)
        yield* Effect.addFinalizer(() => Effect.sync(() => database.close()))
        const tries = Effect.sync(() => database.prepare("SELECT count(*) AS count FROM tries").get()?.count)
        yield* start()
        yield* until(tries, (count) => typeof count === "number" && count >= 6)
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
      assert.sameMembers(
        lines.map((line) => line.replace(controlDatabase, "control.db")),
        [
          "The sink's control database is unavailable (mark): control.db: disk full. The sink continues without it.",
          "paused on request"
        ]
      )
    }).pipe(Effect.provide(environment))
  )

  it.live("maintains until nothing is left to do, and reports what it did", () =>
    Effect.gen(function* () {
      const control = yield* SinkControl
      const { table } = yield* start("1 millis")
      const records: Array<WeatherRecord> = []
      for (let i = 0; i < 12; i++) {
        records.push(...(yield* append(3)))
        yield* committedAt(table, records.length)
      }
      const request = yield* finished(yield* control.request("maintain"))
      assert.strictEqual(request.state, "done")
      assert.match(
        request.outcome ?? "",
        /^There was nothing to do\.$|^Merged .* files? into .*, expired .* and removed .*\.$/
      )
      const nothing = yield* table.maintain
      assert.deepStrictEqual(nothing, { filesCompacted: 0, filesWritten: 0, snapshotsExpired: 0, filesRemoved: 0 })
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted(records))
    }).pipe(Effect.scoped, Effect.provide(environment))
  )
})

describe("Sink and a log that does not match", () => {
  const anotherLog = Layer.build(Layer.fresh(MemoryLog.layer))

  /** A sink on the same folder that reads this log, and the reason why it stops. */
  const reasonToStop = (log: EventLogReader["Service"]) =>
    Effect.gen(function* () {
      const { sink, stop } = yield* start().pipe(Effect.provideService(EventLogReader, log))
      const error = yield* Effect.flip(sink.failure)
      yield* stop
      const status = Option.getOrThrow(yield* (yield* SinkControl).status)
      assert.deepStrictEqual([status.state, status.reason], ["failed", error.message])
      return error.message
    })

  const filled = Effect.gen(function* () {
    const records = yield* append(10)
    const { table, stop } = yield* start()
    yield* committedAt(table, 10)
    yield* stop
    return records
  })

  it.live("another log stops it with one sentence, and the table does not change", () =>
    Effect.gen(function* () {
      const records = yield* filled
      const { logId } = yield* (yield* EventLogReader).bounds
      const other = yield* anotherLog
      yield* Context.get(other, EventLog).append({ records: someRecords(50) })
      const reader = Context.get(other, EventLogReader)
      const reason = yield* reasonToStop(reader)
      assert.include(reason, `was written from another log (id ${logId})`)
      assert.include(reason, (yield* reader.bounds).logId)
      assert.include(reason, "Restore that log, or move the table away")
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted(records))
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("a log that ends before the table's offset stops it", () =>
    Effect.gen(function* () {
      yield* filled
      const log = yield* EventLogReader
      const { logId } = yield* log.bounds
      const reason = yield* reasonToStop({
        ...log,
        bounds: Effect.succeed({ logId, partitions: [{ partition: 0, start: 0, end: 9 }] })
      })
      assert.include(reason, "holds the log up to offset 10, but the log at")
      assert.include(reason, "ends at 9")
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("a log that was restored from an older copy and grew past the table's offset stops it", () =>
    Effect.gen(function* () {
      const records = yield* filled
      const { logId } = yield* (yield* EventLogReader).bounds
      const other = yield* anotherLog
      yield* Context.get(other, EventLog).append({ records: someRecords(50) })
      const log = Context.get(other, EventLogReader)
      const bounds = Effect.map(log.bounds, (found) => ({ ...found, logId }))
      const reason = yield* reasonToStop({ ...log, bounds })
      assert.include(reason, "has another event at offset 9")
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted(records))
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("a corrupt log stops it there, with the rows before it committed", () =>
    Effect.gen(function* () {
      const records = yield* append(10)
      const log = yield* EventLogReader
      const reason = yield* reasonToStop({
        ...log,
        read: (from) =>
          log
            .read(from, { until: "end" })
            .pipe(
              Stream.take(6),
              Stream.concat(
                Stream.fail(new LogCorrupt({ position: { partition: 0, offset: 6 }, reason: "a flipped bit" }))
              )
            )
      })
      assert.include(reason, "The event log is corrupt at partition 0, offset 6: a flipped bit.")
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted(records.slice(0, 6)))
    }).pipe(Effect.scoped, Effect.provide(environment))
  )

  it.live("a log that appears later is read as soon as it exists", () =>
    Effect.gen(function* () {
      const records = yield* append(10)
      const log = yield* EventLogReader
      let tries = 0
      const { table } = yield* start().pipe(
        Effect.provideService(EventLogReader, {
          ...log,
          bounds: Effect.suspend(() =>
            ++tries <= 2
              ? Effect.fail(
                  new LogUnavailable({
                    operation: "bounds",
                    reason: new LogMissing({ path: "log.db" }),
                    cause: undefined
                  })
                )
              : log.bounds
          )
        })
      )
      yield* committedAt(table, 10)
      assert.strictEqual(tries, 3)
      assert.deepStrictEqual(sorted(yield* rowsInTable), sorted(records))
    }).pipe(Effect.scoped, Effect.provide(environment))
  )
})
