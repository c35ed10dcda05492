import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryLog from "../../../layers/log/memory/EventLog.ts"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as EventLogReaderLayer from "../../../layers/log/sqlite/EventLogReader.ts"
import { type AuditOptions, type AuditReport, audit } from "../../../layers/operate/audit/audit.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import * as TableChecksumsLayer from "../../../layers/table/duckdb/TableChecksums.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../../layers/table/iceberg/TableWriter.ts"
import { EventLog, EventLogReader } from "../../../services/EventLog.ts"
import { checksumOf, TableChecksums } from "../../../services/TableChecksums.ts"
import { TableWriter } from "../../../services/TableWriter.ts"
import { type WeatherRecord, weatherStream } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { floe } from "../../support/program.ts"
import { readTable } from "../../support/readTable.ts"
import { reading } from "../../support/weatherTable.ts"

const first = "2026-01-08-14"
const second = "2026-01-08-15"
const third = "2026-01-08-16"

const healthy: ReadonlyArray<WeatherRecord> = [
  reading("Oslo", "41.50", first),
  reading("Lima", "72.50", first),
  reading("Lima", "72.50", first),
  reading("東京 🌧️", "1e2", second),
  reading("12", "3", second),
  reading(`"'\\`, "-0", second),
  reading("Oslo", "41.50", third)
]

/** A data folder whose log has `logged` and whose table `inTable`. */
const filled = Effect.fnUntraced(function* (
  logged: ReadonlyArray<WeatherRecord>,
  inTable: ReadonlyArray<WeatherRecord>,
  progress: { readonly offset?: number; readonly logId?: string } = {}
) {
  const root = join(yield* temporaryFolder, "data")
  const folder = at(root)
  const write = Effect.gen(function* () {
    const log = yield* EventLog
    for (const [ts, records] of Map.groupBy(logged, ({ ts }) => ts)) {
      assert.isString(ts)
      for (let i = 0; i < records.length; i += 10_000) yield* log.append({ records: records.slice(i, i + 10_000) })
    }
    const { logId } = yield* (yield* EventLogReader).bounds
    const table = yield* TableWriter
    yield* table.stage(inTable)
    yield* table.commit({ logId, offset: logged.length, ...progress })
  })
  const layers = Layer.merge(EventLogLayer.layer, TableWriterLayer.layer.pipe(Layer.provide(LeasesLayer.layer)))
  yield* write.pipe(Effect.provide(layers.pipe(Layer.provide(folder))))
  return root
})

const audited = (root: string, options: AuditOptions = {}) =>
  audit(options).pipe(
    Effect.map(Option.getOrThrow),
    Effect.provide(
      Layer.merge(EventLogReaderLayer.layer, TableChecksumsLayer.layer.pipe(Layer.provide(LeasesLayer.layer)))
    ),
    Effect.provide(at(root))
  )

const auditOf = (inTable: ReadonlyArray<WeatherRecord>, options: AuditOptions = {}) =>
  Effect.flatMap(filled(healthy, inTable), (root) => audited(root, options))

const hour = (ts: string, logged: number, inTable: number, missing: number, extra: number) => ({
  ts,
  logged,
  inTable,
  byOthers: 0,
  missing,
  extra
})
const example = (kind: "missing" | "extra", [city, temperature, ts]: readonly [string, string, string], rows = 1) => ({
  kind,
  city,
  temperature,
  ts,
  rows
})
const sorted = (report: AuditReport) =>
  report.examples.toSorted((a, b) => `${a.ts}${a.kind}`.localeCompare(`${b.ts}${b.kind}`))

const without = (index: number) => healthy.filter((_, i) => i !== index)
const replaced = (index: number, record: WeatherRecord) => healthy.map((old, i) => (i === index ? record : old))

/** Oslo 41.50 in the first hour. */
const oneEvent = Layer.effectDiscard(
  Effect.gen(function* () {
    yield* TestClock.setTime(Date.parse("2026-01-08T14:00:00Z"))
    yield* (yield* EventLog).append({ records: [reading("Oslo", "41.50", first)] })
  })
)

describe("audit", () => {
  it.effect("given a table that has each event once, in any order, it finds nothing", () =>
    Effect.gen(function* () {
      const report = yield* auditOf(healthy.toReversed())
      assert.deepStrictEqual(report.hours, [hour(first, 3, 3, 0, 0), hour(second, 3, 3, 0, 0), hour(third, 1, 1, 0, 0)])
      assert.deepStrictEqual(report.examples, [])
      assert.deepStrictEqual([report.logged, report.inTable, report.missing, report.extra], [7, 7, 0, 0])
      assert.deepStrictEqual(report.upTo, [{ partition: 0, offset: 7 }])
    }).pipe(Effect.scoped)
  )

  it.effect("given a row, one of two equal rows, or a whole hour removed, it names what is missing", () =>
    Effect.gen(function* () {
      const row = yield* auditOf(without(3))
      assert.deepStrictEqual(row.hours[1], hour(second, 3, 2, 1, 0))
      assert.deepStrictEqual(row.examples, [example("missing", ["東京 🌧️", "1e2", second])])

      const alike = yield* auditOf(without(1))
      assert.deepStrictEqual(alike.hours[0], hour(first, 3, 2, 1, 0))
      assert.deepStrictEqual(alike.examples, [example("missing", ["Lima", "72.50", first])])

      const whole = yield* auditOf(without(6))
      assert.deepStrictEqual(whole.hours[2], hour(third, 1, 0, 1, 0))
      assert.deepStrictEqual(whole.examples, [example("missing", ["Oslo", "41.50", third])])
    }).pipe(Effect.scoped)
  )

  it.effect("given a duplicated row, or one that is in no log, it names it as extra", () =>
    Effect.gen(function* () {
      const doubled = yield* auditOf([...healthy, ...healthy.slice(5, 6), ...healthy.slice(5, 6)])
      assert.deepStrictEqual(doubled.hours[1], hour(second, 3, 5, 0, 2))
      assert.deepStrictEqual(doubled.examples, [example("extra", [`"'\\`, "-0", second], 2)])

      const foreign = yield* auditOf([...healthy, reading("Rome", "1", "2026-01-09-00")])
      assert.deepStrictEqual(foreign.hours[3], hour("2026-01-09-00", 0, 1, 0, 1))
      assert.deepStrictEqual(foreign.examples, [example("extra", ["Rome", "1", "2026-01-09-00"])])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "names what it was and what it is when a row is changed, though the counts and the texts together are the same",
    () =>
      Effect.gen(function* () {
        const shifted = yield* auditOf(replaced(4, reading("1", "23", second)))
        assert.deepStrictEqual(shifted.hours[1], hour(second, 3, 3, 1, 1))
        assert.deepStrictEqual(sorted(shifted), [
          example("extra", ["1", "23", second]),
          example("missing", ["12", "3", second])
        ])

        const crossed = yield* auditOf(
          healthy.map((record) => (record.city === "Oslo" ? { ...record, temperature: "41.5" } : record))
        )
        assert.deepStrictEqual([crossed.missing, crossed.extra], [2, 2])

        const moved = yield* auditOf(replaced(6, reading("Oslo", "41.50", second)))
        assert.deepStrictEqual(moved.hours.slice(1), [hour(second, 3, 4, 0, 1), hour(third, 1, 0, 1, 0)])
      }).pipe(Effect.scoped)
  )

  it.effect("given a row changed into a copy of another, it counts one missing and one extra", () =>
    Effect.gen(function* () {
      const report = yield* auditOf(replaced(0, reading("Lima", "72.50", first)))
      assert.deepStrictEqual(report.hours[0], hour(first, 3, 3, 1, 1))
    }).pipe(Effect.scoped)
  )

  it.effect("given a NULL that another program wrote, it names it", () =>
    Effect.gen(function* () {
      const root = yield* filled(healthy, healthy)
      const table = Option.getOrThrow(yield* readTable(join(root, "warehouse", "default", "weather")))
      const path = table.files.find(({ ts }) => ts === third)?.path
      yield* Effect.promise(async () => {
        const instance = await DuckDBInstance.create(":memory:")
        const connection = await instance.connect()
        await connection.run(
          `COPY (SELECT 'Oslo' AS city, NULL::VARCHAR AS temperature, '${third}' AS ts) TO '${path}' (FORMAT parquet, FIELD_IDS {city: 1, temperature: 2, ts: 3})`
        )
        instance.closeSync()
      })
      const report = yield* audited(root)
      assert.deepStrictEqual(report.hours[2], hour(third, 1, 1, 1, 1))
      assert.deepInclude(report.examples, { ts: third, kind: "extra", city: "Oslo", temperature: null, rows: 1 })
    }).pipe(Effect.scoped)
  )

  it.effect("given an hour that another program wrote and deleted again, it does not list it", () =>
    Effect.gen(function* () {
      const report = Option.getOrThrow(yield* audit({}))
      assert.deepStrictEqual(report.hours, [hour(first, 1, 1, 0, 0)])
    }).pipe(
      Effect.provide(
        Layer.mock(TableChecksums, {
          view: () =>
            Effect.succeedSome({
              snapshotId: "1",
              stream: weatherStream,
              logId: Option.none(),
              committed: Option.some([{ partition: 0, offset: 1 }]),
              others: Effect.succeed({ changes: [], unknown: [] }),
              hours: Effect.succeed(
                new Map([
                  [first, { rows: 1, checksum: checksumOf({ city: "Oslo", temperature: "41.50" }), byOthers: 0 }],
                  ["no hour", { rows: 0, checksum: 0n, byOthers: 0 }]
                ])
              ),
              slices: () => Effect.die("nothing differs"),
              records: () => Stream.die("nothing differs")
            })
        })
      ),
      Effect.provide(oneEvent.pipe(Layer.provideMerge(MemoryLog.layer)))
    )
  )

  it.effect("given a table that is behind, or a range of hours, it compares only these", () =>
    Effect.gen(function* () {
      const behind = yield* filled(healthy, healthy.slice(0, 5), { offset: 5 })
      const report = yield* audited(behind)
      assert.deepStrictEqual([report.logged, report.missing, report.extra], [5, 0, 0])
      const one = yield* auditOf(without(0), { from: second, to: second })
      assert.deepStrictEqual(one.hours, [hour(second, 3, 3, 0, 0)])
    }).pipe(Effect.scoped)
  )

  it.effect("given a log that has lost its first events, it reports where the log begins", () =>
    Effect.gen(function* () {
      const root = yield* filled(healthy, healthy)
      const cut = Layer.effect(
        EventLogReader,
        Effect.map(EventLogReader, (log) => ({
          ...log,
          bounds: Effect.map(log.bounds, (bounds) => ({
            ...bounds,
            partitions: bounds.partitions.map((partition) => ({ ...partition, start: 3 }))
          }))
        }))
      ).pipe(Layer.provide(EventLogReaderLayer.layer))
      const report = yield* audit({}).pipe(
        Effect.map(Option.getOrThrow),
        Effect.provide(Layer.merge(cut, TableChecksumsLayer.layer.pipe(Layer.provide(LeasesLayer.layer)))),
        Effect.provide(at(root))
      )
      assert.deepStrictEqual(report.from, [{ partition: 0, offset: 3 }])
      assert.deepStrictEqual(report.hours[0], hour(first, 0, 3, 0, 3))
      assert.deepStrictEqual([report.logged, report.missing, report.extra], [4, 0, 3])
    }).pipe(Effect.scoped)
  )

  it.live("given an hour too large for memory, it finds single rows", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 120_000 }, (_, i) => reading(`City ${i}`, `${i % 120}`, first))
      const damaged = many
        .filter((_, i) => i !== 77_777)
        .map((record, i) => (i === 5 ? { ...record, temperature: "6" } : record))
      const report = yield* audited(yield* filled(many, damaged))
      assert.deepStrictEqual(report.hours, [hour(first, 120_000, 119_999, 2, 1)])
      assert.deepInclude(report.examples, example("missing", ["City 77777", "17", first]))
      assert.deepInclude(report.examples, example("missing", ["City 5", "5", first]))
      assert.deepInclude(report.examples, example("extra", ["City 5", "6", first]))
    }).pipe(Effect.scoped)
  )

  it.effect(
    "given a table that does not record how far the log is in it, it compares only hours that ended a while ago",
    () =>
      Effect.gen(function* () {
        const root = yield* filled(healthy, healthy.slice(0, 4))
        const silent = Layer.effect(
          TableChecksums,
          Effect.map(TableChecksums, ({ view }) =>
            TableChecksums.of({
              view: (stream) =>
                Effect.map(
                  view(stream),
                  Option.map((view) => ({ ...view, committed: Option.none() }))
                )
            })
          )
        ).pipe(Layer.provide(TableChecksumsLayer.layer), Layer.provide(LeasesLayer.layer))
        const look = audit({}).pipe(
          Effect.map(Option.getOrThrow),
          Effect.provide(Layer.merge(EventLogReaderLayer.layer, silent)),
          Effect.provide(at(root))
        )
        yield* TestClock.setTime(Date.UTC(2026, 0, 8, 15, 9))
        assert.deepStrictEqual((yield* look).hours, [])
        yield* TestClock.setTime(Date.UTC(2026, 0, 8, 15, 10))
        const early = yield* look
        assert.deepStrictEqual([early.hours, early.settledBefore], [[hour(first, 3, 3, 0, 0)], second])
        yield* TestClock.setTime(Date.UTC(2026, 0, 8, 16, 10))
        assert.deepStrictEqual((yield* look).hours, [hour(first, 3, 3, 0, 0), hour(second, 3, 1, 2, 0)])
      }).pipe(Effect.scoped)
  )

  it.effect("given a table of another log, or one that is ahead of the log, it fails", () =>
    Effect.gen(function* () {
      const other = yield* Effect.flip(audited(yield* filled(healthy, healthy, { logId: "another" })))
      assert.match(other.message, /^The log and the table cannot be compared: the table was written from another log/)
      assert(other._tag === "AuditImpossible")
      assert.strictEqual(other.reason._tag, "AnotherLog")
      const ahead = yield* Effect.flip(audited(yield* filled(healthy, healthy, { offset: 9 })))
      assert.include(ahead.message, "the table holds the log up to offset 9 of partition 0, and the log ends at 7")
      assert(ahead._tag === "AuditImpossible")
      assert.deepInclude(ahead.reason, { _tag: "LogTooShort", partition: 0, inTable: 9, end: 7 })
    }).pipe(Effect.scoped)
  )
})

const Report = Schema.fromJsonString(
  Schema.Struct({ logged: Schema.Int, inTable: Schema.Int, missing: Schema.Int, extra: Schema.Int })
)

it.live("floe audit prints each hour, and exits with 1 when anything differs", () =>
  Effect.gen(function* () {
    const FLOE_DATA = yield* filled(healthy, healthy)
    const damaged = yield* filled(healthy, [...without(0), reading("Rome", "1", third)])
    const nowhere = join(FLOE_DATA, "nowhere")
    const [equal, different, json, none, misused, backwards] = yield* Effect.all(
      [
        floe(["audit"], { FLOE_DATA }),
        floe(["audit"], { FLOE_DATA: damaged }),
        floe(["audit", "--json", "--to", first], { FLOE_DATA: damaged }),
        floe(["audit"], { FLOE_DATA: nowhere }),
        floe(["audit", "--from", "yesterday"], { FLOE_DATA }),
        floe(["audit", "--from", second, "--to", first], { FLOE_DATA })
      ],
      { concurrency: 2 }
    )
    assert.deepStrictEqual([equal.code, equal.err], [0, ""])
    assert.match(equal.out, /^hour +logged +in table +missing +extra\n2026-01-08-14 +3 +3 +0 +0\n/)
    assert.match(equal.out, /\nall +7 +7 +0 +0\n\nCompared the log up to 0\/7 /)
    assert.strictEqual(different.code, 1)
    assert.match(
      different.out,
      /\n {2}missing 2026-01-08-14 {2}Oslo {2}41.50\n {2}extra {3}2026-01-08-16 {2}Rome {2}1\n/
    )
    assert.match(different.err, /^The table differs from the log: 1 row missing, 1 extra\. .*\n$/)
    const report = yield* Schema.decodeUnknownEffect(Report)(json.out)
    assert.deepStrictEqual([json.code, report], [1, { logged: 3, inTable: 2, missing: 1, extra: 0 }])
    assert.deepStrictEqual([none.code, none.out], [1, ""])
    assert.match(none.err, /^There is no table yet .*\n$/)
    assert.strictEqual(misused.code, 2)
    assert.include(misused.err, "Expected an hour (for example, 2026-01-08-14), but got yesterday")
    assert.deepStrictEqual([backwards.code, backwards.out], [2, ""])
  }).pipe(Effect.scoped)
)
