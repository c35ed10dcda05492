import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import * as RebuildLayer from "../../layers/sink/Rebuild.ts"
import { Sink } from "../../layers/sink/Sink.ts"
import { SinkControl } from "../../layers/sink/SinkControl.ts"
import * as QueryLayer from "../../layers/table/duckdb/Query.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import { readMetadata } from "../../layers/table/iceberg/MetadataFiles.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import { Query } from "../../services/Query.ts"
import { Rebuild } from "../../services/Rebuild.ts"
import { Streams } from "../../services/Streams.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import type { WeatherRecord } from "../../services/Weather.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { filesUnder, maintainAll, namedFiles, tableFiles } from "../support/icebergTable.ts"
import { icebirdRows, icebirdValues, sorted } from "../support/icebirdReader.ts"
import { floe, startFloe } from "../support/program.ts"
import { applied } from "../support/typedStream.ts"
import { Announcements, announcingControl, announcingWriter, exists, onDisk, poll, until } from "../support/waiting.ts"
import { weatherOnly, weatherWriter } from "../support/weatherOnly.ts"

const records = (count: number, label: string): ReadonlyArray<WeatherRecord> =>
  Array.from({ length: count }, (_, i) => ({
    city: `${label} ${i}`,
    temperature: `${i % 100}.5`,
    ts: `2026-01-08-1${Math.floor((i / count) * 4)}`
  }))

const append = Effect.fnUntraced(function* (some: ReadonlyArray<WeatherRecord>) {
  const log = yield* EventLog
  for (let i = 0; i < some.length; i += 10_000) yield* log.append({ records: some.slice(i, i + 10_000) })
})

/** A data folder whose log has these records, and in whose table are others in their place. */
const filled = Effect.fnUntraced(function* (
  logged: ReadonlyArray<WeatherRecord>,
  inTable: ReadonlyArray<WeatherRecord> = []
) {
  const root = join(yield* temporaryFolder, "data")
  yield* Effect.gen(function* () {
    yield* append(logged)
    const { logId } = yield* (yield* EventLogReader).bounds
    if (inTable.length === 0) return
    const table = yield* TableWriter
    yield* table.stage(inTable)
    yield* table.commit({ logId, offset: logged.length })
  }).pipe(
    Effect.provide(
      Layer.merge(EventLogLayer.layer, TableWriterLayer.layer.pipe(Layer.provide(LeasesLayer.layer))).pipe(
        Layer.provide(at(root))
      )
    )
  )
  return { root, tableAt: (name: string) => join(root, "warehouse", "default", name) }
})

const same = Effect.fnUntraced(function* (tableFolder: string, rows: ReadonlyArray<WeatherRecord>) {
  assert.deepStrictEqual(sorted(yield* icebirdRows(tableFolder)), sorted(rows))
})

describe("floe rebuild", () => {
  it.live("builds a table with each event of the log once, and nothing else", () =>
    Effect.gen(function* () {
      const logged = records(5_000, "a")
      const { root, tableAt } = yield* filled(logged)
      const made = yield* floe(["rebuild", "--into", "again"], { FLOE_DATA: root })
      assert.strictEqual(made.code, 0, made.err)
      assert.match(made.out, /^5,000 events are in default\.again \(\d+\.\d s\)\.\n$/)
      yield* same(tableAt("again"), logged)
      const described = yield* floe(["table", "describe", "again", "--json"], { FLOE_DATA: root })
      assert.include(described.out, '"location": ')
    }).pipe(Effect.scoped)
  )

  it.live(
    "its table can be queried before it is in place, beside the other or where the other is not there",
    () =>
      Effect.gen(function* () {
        const logged = records(100, "a")
        const { root, tableAt } = yield* filled(logged, records(3, "old"))
        const env = { FLOE_DATA: root }
        const csv = Effect.fnUntraced(function* (sql: string) {
          const { code, out, err } = yield* floe(["query", "--format", "csv", sql], env)
          return { code, err, rows: out.trimEnd().split("\r\n").slice(1) }
        })
        assert.strictEqual((yield* floe(["rebuild", "--into", "order"], env)).code, 0)
        const rows = ["100"]
        assert.deepStrictEqual(yield* csv('SELECT count(*) FROM iceberg.default."order"'), { code: 0, err: "", rows })
        const [both, shown, older] = yield* Effect.all([
          csv('SELECT (SELECT count(*) FROM weather), (SELECT count(*) FROM "ORDER") ORDER BY 1'),
          csv("SHOW TABLES"),
          floe(["query", "--as-of", "2026-01-08T14:30", 'SELECT * FROM "order"'], env)
        ])
        assert.deepStrictEqual([both.rows, shown.rows], [["3,100"], ["order", "weather"]])
        assert.match(older.err, /^Only the table weather can be read as of an older snapshot\.$/m)

        writeFileSync(
          join(tableAt("order"), "replay.json"),
          readFileSync(join(tableAt("order"), "replay.json"), "utf8").replace("true", "false")
        )
        rmSync(tableAt("weather"), { recursive: true })
        const unfinished = yield* csv('SELECT count(*) FROM "order"')
        assert.deepStrictEqual([unfinished.code, unfinished.rows], [0, rows])
        assert.match(unfinished.err, /WARN The table order is unfinished: .*\n$/)
        assert.match((yield* csv("SELECT count(*) FROM weather")).err, /no table yet/)
        assert.match((yield* csv("SELECT count(*) FROM elsewhere")).err, /no table yet/)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "killed in the middle, it resumes where it stopped",
    () =>
      Effect.gen(function* () {
        const logged = records(510_000, "a")
        const { root, tableAt } = yield* filled(logged)
        const first = yield* startFloe(["rebuild", "--into", "again"], { FLOE_DATA: root })
        yield* onDisk(join(tableAt("again"), "metadata"), readMetadata(tableAt("again")), Option.isSome)
        first.signal("SIGKILL")
        assert.strictEqual((yield* Effect.promise(() => first.ended)).signal, "SIGKILL")
        const half = Option.getOrThrow(yield* readMetadata(tableAt("again")))
        assert.strictEqual(half.snapshot.summary?.["floe.log.offset"], "500000")
        const second = yield* floe(["rebuild", "--into", "again"], { FLOE_DATA: root })
        assert.match(
          second.out,
          /^510,000 events are in default\.again, 500,000 of them from an earlier run /,
          second.err
        )
        const rows = yield* icebirdRows(tableAt("again"))
        assert.deepStrictEqual([rows.length, new Set(rows.map(({ city }) => city)).size], [510_000, 510_000])
        assert.deepStrictEqual(
          tableFiles(tableAt("again")).filter((path) => !path.endsWith("replay.json")),
          namedFiles(tableAt("again"))
        )
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "Ctrl-C stops it and prints how to resume",
    () =>
      Effect.gen(function* () {
        const { root, tableAt } = yield* filled(records(300_000, "a"))
        const program = yield* startFloe(["rebuild", "--into", "again"], { FLOE_DATA: root })
        yield* exists(join(tableAt("again"), "metadata"))
        program.signal("SIGINT")
        const { code } = yield* Effect.promise(() => program.ended)
        assert.strictEqual(code, 130)
        assert.match(program.output(), /^Stopped at event .* of .*; run the same command to resume\.\n$/)
        assert.strictEqual((yield* floe(["rebuild", "--into", "again"], { FLOE_DATA: root })).code, 0)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("overwrites nothing, and reports what to do instead", () =>
    Effect.gen(function* () {
      const { root, tableAt } = yield* filled(records(10, "a"))
      const environment = { FLOE_DATA: root }
      mkdirSync(join(tableAt("taken"), "metadata"), { recursive: true })
      writeFileSync(join(tableAt("taken"), "metadata", "v1.metadata.json"), "{}")
      yield* floe(["rebuild", "--into", "again"], environment)
      const { root: other, tableAt: otherTableAt } = yield* filled(records(10, "b"))
      mkdirSync(otherTableAt("theirs"), { recursive: true })
      writeFileSync(join(otherTableAt("theirs"), "replay.json"), '{"logId":"another","finished":false}')
      const [weather, taken, finished, theirs, noLog, name, none] = yield* Effect.all(
        [
          floe(["rebuild", "--into", "weather"], environment),
          floe(["rebuild", "--into", "taken", "--promote"], environment),
          floe(["rebuild", "--into", "again"], environment),
          floe(["rebuild", "--into", "theirs"], { FLOE_DATA: other }),
          floe(["rebuild", "--into", "again"], { FLOE_DATA: join(root, "nowhere") }),
          floe(["rebuild", "--into", "../weather"], environment),
          floe(["rebuild"], environment)
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([weather.code, taken.code, finished.code, theirs.code, noLog.code], [1, 1, 1, 1, 1])
      assert.include(weather.err, "weather is the table that the sink writes")
      assert.match(taken.err, /^There is already a table at .*taken; choose another name, or remove that folder\.\n$/)
      assert.include(finished.err, "is already complete: --promote puts it in place")
      assert.include(theirs.err, "was rebuilt from another log")
      assert.include(noLog.err, "The event log is unavailable")
      assert.isFalse(existsSync(join(root, "nowhere")))
      assert.deepStrictEqual([name.code, none.code], [2, 2])
      assert.deepStrictEqual(readdirSync(join(tableAt("taken"), "metadata")), ["v1.metadata.json"])
    }).pipe(Effect.scoped)
  )
})

describe("a table that a rebuild made, and a stream of the same name", () => {
  it.live("is reported with a sentence until the table is removed", () =>
    Effect.gen(function* () {
      const { root, tableAt } = yield* filled(records(3, "a"), records(3, "a"))
      assert.strictEqual((yield* floe(["rebuild", "--into", "visits"], { FLOE_DATA: root })).code, 0)
      const server = Layer.merge(EventLogLayer.layer, StreamsLayer.layer).pipe(Layer.provideMerge(at(root)))
      const sink = Sink.layer.pipe(
        Layer.provide(TableWriterLayer.writersLayer),
        Layer.provide(LeasesLayer.layer),
        Layer.provideMerge(SinkControl.layer)
      )
      yield* Effect.gen(function* () {
        yield* (yield* Streams).record(applied("visits", [{ name: "id", type: "string", required: true }]))
        yield* (yield* EventLog).append({ stream: "visits", schemaVersion: 1, records: [`{"id":"a"}`] })
        yield* Effect.gen(function* () {
          const { failures } = yield* SinkControl
          assert.deepStrictEqual(yield* failures, [
            {
              stream: "visits",
              reason: `The table cannot be used: ${tableAt("visits")} is where floe rebuild put a table of weather, before this name was a stream's; remove this folder, or move it away.`
            }
          ])
          rmSync(tableAt("visits"), { recursive: true })
          yield* poll(failures, ({ length }) => length === 0)
          yield* (yield* Sink).drained
        }).pipe(Effect.provide(Layer.fresh(sink)), Effect.scoped)
        assert.deepStrictEqual(yield* icebirdValues(tableAt("visits")), [{ id: "a" }])
      }).pipe(Effect.provide(server))
    }).pipe(Effect.scoped)
  )
})

describe("floe rebuild --promote", () => {
  const keeping = (snapshots: number) =>
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({
        FLOE_SNAPSHOT_KEEP: String(snapshots),
        FLOE_TIME_TRAVEL: "0 seconds",
        FLOE_FILE_GRACE: "0 seconds"
      })
    )

  const logged = records(3_000, "a")
  /** What a faulty sink would leave: some rows lost, others duplicated. */
  const wrong = [...logged.slice(40), ...logged.slice(100, 140)]

  it.live("promotes the table without a running sink, with the events since then, and the old rows stay readable", () =>
    Effect.gen(function* () {
      const { root, tableAt } = yield* filled(logged, wrong)
      const environment = { FLOE_DATA: root }
      yield* floe(["rebuild", "--into", "again"], environment)
      const more = records(50, "b")
      yield* append(more).pipe(Effect.provide(EventLogLayer.layer.pipe(Layer.provide(at(root)))))
      const before = Option.getOrThrow(yield* readMetadata(tableAt("weather"))).snapshot["snapshot-id"]
      const promoted = yield* floe(["rebuild", "--into", "again", "--promote", "--json"], environment)
      assert.strictEqual(promoted.code, 0, promoted.err)
      assert.include(promoted.out, "default.again is in place of default.weather: 3,050 rows")
      yield* same(tableAt("weather"), [...logged, ...more])
      assert.isFalse(existsSync(tableAt("again")))
      const old = yield* floe(
        ["query", "--format", "ndjson", "--as-of", String(before), "SELECT count(*) n FROM weather"],
        environment
      )
      assert.strictEqual(old.out, '{"n":3000}\n')
      assert.deepStrictEqual(
        sorted(yield* icebirdRows(tableAt("weather"), { snapshotId: String(before) })),
        sorted(wrong)
      )
    }).pipe(Effect.scoped)
  )

  it.live(
    "killed at any step, it leaves the old table or the new one, and the same command completes it",
    () =>
      Effect.gen(function* () {
        for (const [step, rows] of [
          ["written", wrong],
          ["durable", wrong],
          ["linked", logged],
          ["hinted", logged]
        ] as const) {
          const { root, tableAt } = yield* filled(logged, wrong)
          yield* floe(["rebuild", "--into", "again"], { FLOE_DATA: root })
          const killed = spawnSync(process.execPath, [
            join(import.meta.dirname, "promotingProcess.ts"),
            root,
            "again",
            step
          ])
          assert.strictEqual(killed.signal, "SIGKILL", String(killed.stderr))
          // The hint, which icebird follows, is behind the table where the process died before it was written.
          const { version } = Option.getOrThrow(yield* readMetadata(tableAt("weather")))
          const found = yield* icebirdRows(tableAt("weather"), { metadataFileName: `v${version}.metadata.json` })
          assert.deepStrictEqual(sorted(found), sorted(rows), step)
          const again = yield* floe(["rebuild", "--into", "again", "--promote"], { FLOE_DATA: root })
          assert.strictEqual(again.code, 0, again.err)
          yield* same(tableAt("weather"), logged)
          assert.isFalse(existsSync(tableAt("again")))
          yield* Effect.gen(function* () {
            yield* maintainAll(yield* TableWriter)
          }).pipe(
            Effect.provide(
              TableWriterLayer.layer.pipe(
                Layer.provide(LeasesLayer.layer),
                Layer.provide(at(root)),
                Layer.provide(keeping(100))
              )
            )
          )
          assert.deepStrictEqual(tableFiles(tableAt("weather")), namedFiles(tableAt("weather")), step)
          yield* same(tableAt("weather"), logged)
        }
      }).pipe(Effect.scoped),
    90_000
  )

  it.live(
    "names an old table that cannot be opened, and puts the new one in place once the old one is moved away",
    () =>
      Effect.gen(function* () {
        const { root, tableAt } = yield* filled(logged, wrong)
        writeFileSync(join(tableAt("weather"), "metadata", "v1.metadata.json"), "{")
        const rejected = yield* floe(["rebuild", "--into", "again", "--promote"], { FLOE_DATA: root })
        assert.strictEqual(rejected.code, 1)
        assert.match(rejected.err, /^The table is broken: .*v1\.metadata\.json .* Move the folder .*weather away; /)
        renameSync(tableAt("weather"), join(root, "away"))
        const promoted = yield* floe(["rebuild", "--into", "again", "--promote"], { FLOE_DATA: root })
        assert.strictEqual(promoted.code, 0, promoted.err)
        yield* same(tableAt("weather"), logged)
      }).pipe(Effect.scoped)
  )

  const running = (root: string) =>
    Sink.layer.pipe(
      Layer.provide([weatherOnly, weatherWriter]),
      Layer.provideMerge(
        Layer.effect(TableWriter, Effect.flatMap(TableWriter, announcingWriter)).pipe(
          Layer.provide(TableWriterLayer.layer)
        )
      ),
      Layer.provideMerge(
        Layer.merge(
          RebuildLayer.layer.pipe(Layer.provide(weatherOnly)),
          QueryLayer.layer.pipe(Layer.provide(weatherOnly))
        )
      ),
      Layer.provideMerge(Layer.mergeAll(EventLogLayer.layer, LeasesLayer.layer, announcingControl)),
      Layer.provideMerge(Layer.merge(at(root), Announcements.layer))
    )

  it.live("a running sink carries it out while events come and a query reads the old rows", () =>
    Effect.gen(function* () {
      const { root, tableAt } = yield* filled(logged, wrong)
      const oldFiles = filesUnder(join(tableAt("weather"), "data"))
      yield* Effect.gen(function* () {
        const table = yield* TableWriter
        const control = yield* SinkControl
        const { next } = yield* Announcements
        const rebuild = yield* Rebuild
        yield* Stream.runDrain(rebuild.into("again"))
        // Its rows are read only after the promotion and the maintenance that follows.
        const querying = yield* Scope.make()
        const { rows } = yield* Scope.provide((yield* Query).execute("SELECT city FROM weather"), querying)
        const promoting = yield* Effect.forkChild(rebuild.promote("again", () => Effect.void))
        const meanwhile = records(400, "b")
        yield* append(meanwhile.slice(0, 200))
        // The first request of all; the sink marks it as running when it starts.
        yield* until(
          control.find(1),
          Option.exists(({ state }) => state !== "requested")
        )
        for (let i = 200; i < meanwhile.length; i += 10) {
          const announced = yield* next
          yield* append(meanwhile.slice(i, i + 10))
          yield* announced
        }
        assert.match(yield* Fiber.join(promoting), /^default\.again is in place of default\.weather: /)
        const after = records(7, "c")
        yield* append(after)
        yield* until(table.committed, (committed) =>
          Option.exists(committed, ({ progress }) => progress.offset === logged.length + 407)
        )
        yield* maintainAll(table)
        assert.isAbove(oldFiles.length, 0)
        assert.deepStrictEqual(
          oldFiles.filter((path) => !existsSync(path)),
          []
        )
        assert.deepStrictEqual(
          (yield* Stream.runCollect(rows)).map(([city]) => city).sort(),
          wrong.map(({ city }) => city).sort()
        )
        yield* Scope.close(querying, Exit.void)
        yield* same(tableAt("weather"), [...logged, ...meanwhile, ...after])
        yield* onDisk(
          tableAt("again"),
          Effect.sync(() => existsSync(tableAt("again"))),
          (there) => !there
        )
        assert.match(
          (yield* Effect.flip(rebuild.promote("again", () => Effect.void))).message,
          /^There is no finished rebuild again /
        )
      }).pipe(Effect.provide(running(root)), Effect.provide(keeping(1)))
      // And the next sink continues from there.
      yield* Effect.gen(function* () {
        const last = records(3, "d")
        yield* append(last)
        const table = yield* TableWriter
        yield* until(table.committed, (committed) =>
          Option.exists(committed, ({ progress }) => progress.offset === logged.length + 410)
        )
        assert.strictEqual((yield* icebirdRows(tableAt("weather"))).length, logged.length + 410)
      }).pipe(Effect.provide(running(root)))
    }).pipe(Effect.scoped)
  )

  it.live("a table that is behind the sink, or ahead of it, has the whole log once it is promoted", () =>
    Effect.gen(function* () {
      const { root, tableAt } = yield* filled(logged)
      yield* Effect.gen(function* () {
        const control = yield* SinkControl
        const table = yield* TableWriter
        const rebuild = yield* Rebuild
        const caughtUp = (offset: number) =>
          until(table.committed, (committed) => Option.exists(committed, ({ progress }) => progress.offset === offset))
        yield* caughtUp(3_000)
        yield* Stream.runDrain(rebuild.into("behind"))
        yield* append(records(20, "b"))
        yield* caughtUp(3_020)
        yield* rebuild.promote("behind", () => Effect.void)
        yield* same(tableAt("weather"), [...logged, ...records(20, "b")])

        const pause = yield* control.request("pause")
        yield* until(control.find(pause), (request) => Option.exists(request, ({ state }) => state === "done"))
        yield* append(records(20, "c"))
        yield* Stream.runDrain(rebuild.into("ahead"))
        yield* rebuild.promote("ahead", () => Effect.void)
        yield* same(tableAt("weather"), [...logged, ...records(20, "b"), ...records(20, "c")])
        const resume = yield* control.request("resume")
        yield* until(control.find(resume), (request) => Option.exists(request, ({ state }) => state === "done"))
        yield* append(records(20, "d"))
        yield* caughtUp(3_060)
        yield* same(tableAt("weather"), [...logged, ...["b", "c", "d"].flatMap((label) => records(20, label))])
      }).pipe(Effect.provide(running(root)))
    }).pipe(Effect.scoped)
  )
})
