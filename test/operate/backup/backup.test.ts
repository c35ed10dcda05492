import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Schema, Stream } from "effect"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as EventLogReaderLayer from "../../../layers/log/sqlite/EventLogReader.ts"
import * as BackupLayer from "../../../layers/operate/backup/Backup.ts"
import { copyFiles } from "../../../layers/operate/backup/copyFiles.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { SinkControl } from "../../../layers/sink/SinkControl.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../../layers/table/iceberg/TableWriter.ts"
import { Backup } from "../../../services/Backup.ts"
import { EventLog, EventLogReader } from "../../../services/EventLog.ts"
import { TableWriter } from "../../../services/TableWriter.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { icebirdRows, sorted } from "../../support/icebirdReader.ts"
import { floe, freePort, start, startFloe } from "../../support/program.ts"
import { exists } from "../../support/waiting.ts"

const records = (count: number, label: string): ReadonlyArray<WeatherRecord> =>
  Array.from({ length: count }, (_, i) => ({ city: `${label} ${i}`, temperature: `${i % 90}.5`, ts: "2026-01-08-14" }))

const log = (root: string) => Layer.fresh(EventLogLayer.layer.pipe(Layer.provide(at(root))))
const reader = (root: string) => Layer.fresh(EventLogReaderLayer.layer.pipe(Layer.provide(at(root))))

const append = Effect.fnUntraced(function* (root: string, some: ReadonlyArray<WeatherRecord>, key?: string) {
  const idempotency = key === undefined ? undefined : { key, digest: "d" }
  return yield* Effect.flatMap(EventLog, (log) => log.append({ records: some, idempotency })).pipe(
    Effect.provide(log(root))
  )
})

const boundsOf = (root: string) =>
  Effect.flatMap(EventLogReader, ({ bounds }) => bounds).pipe(Effect.provide(reader(root)))

const loggedIn = (root: string) =>
  Effect.gen(function* () {
    const events = yield* Stream.runCollect((yield* EventLogReader).read({ partition: 0, offset: 0 }, { until: "end" }))
    return events.map(({ record }) => record)
  }).pipe(Effect.provide(reader(root)))

/** Commits the events of the log that are not in the table yet. */
const commit = Effect.fnUntraced(
  function* (root: string, rows: ReadonlyArray<WeatherRecord>) {
    const { logId, partitions } = yield* boundsOf(root)
    const table = yield* TableWriter
    yield* table.stage(rows)
    return yield* table.commit({ logId, offset: partitions[0]?.end ?? 0 })
  },
  (effect, root) =>
    Effect.provide(
      effect,
      Layer.fresh(TableWriterLayer.layer.pipe(Layer.provide(LeasesLayer.layer), Layer.provide(at(root))))
    )
)

const backups = (root: string) =>
  Layer.fresh(BackupLayer.layer.pipe(Layer.provide(LeasesLayer.layer), Layer.provide(at(root))))

const backUp = (root: string, folder: string, options: { readonly logOnly?: boolean } = {}) =>
  Effect.flatMap(Backup, ({ create }) =>
    create(folder, { logOnly: false, verify: true, onProgress: () => {}, ...options })
  ).pipe(Effect.provide(backups(root)))

const restore = (folder: string, root: string) =>
  Effect.flatMap(Backup, ({ restore }) => restore(folder, undefined, () => {})).pipe(Effect.provide(backups(root)))

/** A data folder with these events in log and table, and a backup of it. */
const backedUp = Effect.fnUntraced(function* (logged: ReadonlyArray<WeatherRecord>) {
  const home = yield* temporaryFolder
  const [root, folder] = [join(home, "data"), join(home, "backup")]
  yield* append(root, logged, "first")
  yield* commit(root, logged)
  const made = yield* backUp(root, folder)
  return { home, root, folder, made }
})

const tableIn = (root: string) => join(root, "warehouse", "default", "weather")

const Repeated = Schema.Struct({
  data: Schema.Struct({ positions: Schema.Array(Schema.Struct({ offset: Schema.Int })) })
})
const positionsIn = Schema.decodeUnknownSync(Schema.fromJsonString(Repeated))

describe("floe backup", () => {
  it.live(
    "is whole and consistent while server and sink work, also after one that was killed",
    () =>
      Effect.gen(function* () {
        const home = yield* temporaryFolder
        const [data, folder, restored] = [join(home, "data"), join(home, "backup"), join(home, "restored")]
        const port = yield* freePort
        const env = { FLOE_DATA: data, FLOE_PORT: `${port}`, FLOE_COMMIT_INTERVAL: "100 millis" }
        const server = yield* start("server", env)
        yield* Effect.promise(() => server.printed(/listens on/))
        const sink = yield* start("sink", env)
        const sent: Array<WeatherRecord> = []
        const post = (some: ReadonlyArray<WeatherRecord>, key: string, to: number) =>
          Effect.promise(async () => {
            const response = await fetch(`http://127.0.0.1:${to}/events`, {
              method: "POST",
              headers: { "content-type": "application/json", "idempotency-key": key },
              body: JSON.stringify(some.map(({ city, temperature }) => ({ city, temperature })))
            })
            const body = await response.text()
            assert.strictEqual(response.status, 200, body)
            return { body, repeated: response.headers.get("floe-repeated") }
          })
        let batch = 0
        const load = Effect.gen(function* () {
          const some = records(200, `batch ${batch}`)
          yield* post(some, `key-${batch++}`, port)
          sent.push(...some)
        })
        yield* Effect.repeat(load, { times: 19 })
        const loading = yield* Effect.forkChild(Effect.repeat(load, Schedule.spaced("20 millis")))
        yield* Effect.promise(() => sink.until((output) => (output.match(/committed/g) ?? []).length > 3))

        const killed = yield* startFloe(["backup", folder], env)
        yield* exists(join(`${folder}.partial`, "warehouse"))
        killed.signal("SIGKILL")
        yield* Effect.promise(() => killed.ended)
        assert.isFalse(existsSync(folder), "what was killed is not at the backup's name")
        const cut = yield* Effect.flip(restore(`${folder}.partial`, restored))
        assert.include(cut.message, "is not a backup, or an interrupted one")

        const before = sent.length
        const made = yield* floe(["backup", folder, "--json"], env)
        assert.strictEqual(made.code, 0, made.err)
        yield* Fiber.interrupt(loading)
        const report = JSON.parse(made.out)
        assert.isAtLeast(report.log.end, before, "all that was acknowledged before is in it")
        assert.isAtLeast(report.log.end, report.table.offset)
        assert.deepStrictEqual([report.audit.missing, report.audit.extra], [0, 0])
        assert.isFalse(existsSync(`${folder}.partial`))
        const busy = yield* Effect.flip(restore(folder, data))
        assert.include(busy.message, "Another logging server is running on this data")
        for (const program of [server, sink]) program.signal("SIGTERM")
        yield* Effect.promise(() => Promise.all([server.ended, sink.ended]))

        const put = yield* floe(["restore", folder, "--into", restored], env)
        assert.strictEqual(put.code, 0, put.err)
        assert.include(put.out, "0 missing, 0 extra")
        const there = { ...env, FLOE_DATA: restored }
        const audit = yield* floe(["audit", "--json"], there)
        assert.strictEqual(audit.code, 0, audit.err)
        assert.strictEqual(JSON.parse(audit.out).inTable, report.table.offset)
        const events = yield* loggedIn(restored)
        const withoutHour = (rows: ReadonlyArray<WeatherRecord>) => rows.map((row) => ({ ...row, ts: "" }))
        assert.deepStrictEqual(withoutHour(events), withoutHour(sent.slice(0, report.log.end)))

        // The restored copy continues: keys are known, and the sink resumes from the table's position.
        const second = yield* start("server", there)
        yield* Effect.promise(() => second.printed(/listens on/))
        const repeat = yield* post(records(200, "batch 3"), "key-3", port)
        assert.strictEqual(repeat.repeated, "true")
        assert.strictEqual(positionsIn(repeat.body).data.positions[0]?.offset, 600)
        const fresh = yield* post(records(10, "after"), "after", port)
        assert.strictEqual(positionsIn(fresh.body).data.positions[0]?.offset, report.log.end)
        const secondSink = yield* start("sink", there)
        yield* Effect.promise(() => secondSink.printed(new RegExp(`up to weather/0/${report.log.end + 9} `)))
        for (const program of [second, secondSink]) program.signal("SIGTERM")
        yield* Effect.promise(() => Promise.all([second.ended, secondSink.ended]))
        assert.deepStrictEqual(sorted(yield* icebirdRows(tableIn(restored))), sorted(yield* loggedIn(restored)))
      }),
    120_000
  )

  it.live(
    "needs neither the original nor its place, keeps older snapshots and pauses, and shares no bytes with it",
    () =>
      Effect.gen(function* () {
        const { folder, home, root } = yield* backedUp(records(50, "first"))
        yield* append(root, records(20, "second"))
        yield* commit(root, records(20, "second"))
        const control = Layer.fresh(SinkControl.layer.pipe(Layer.provide(at(root))))
        const pauses = Effect.flatMap(SinkControl, ({ setPaused }) =>
          Effect.andThen(setPaused(true), setPaused(true, "readings"))
        )
        yield* Effect.provide(pauses, control)
        const { manifest } = yield* backUp(root, `${folder}-2`)
        assert.strictEqual(manifest.log.end, 70)
        for (const { path } of manifest.files) {
          const original = join(root, path)
          if (existsSync(original)) writeFileSync(original, "gone")
        }
        rmSync(root, { recursive: true })
        const restored = join(home, "elsewhere")
        const { audit } = yield* restore(`${folder}-2`, restored)
        assert.deepStrictEqual(audit, { logged: 70, inTable: 70, missing: 0, extra: 0 })
        const paused = Layer.fresh(SinkControl.layer.pipe(Layer.provide(at(restored))))
        const both = Effect.flatMap(SinkControl, ({ paused, pausedStreams }) => Effect.all([paused, pausedStreams]))
        assert.deepStrictEqual(yield* Effect.provide(both, paused), [true, ["readings"]])
        const count = "SELECT count(*) AS n FROM weather"
        const env = { FLOE_DATA: restored }
        const snapshots = yield* floe(["table", "snapshots", "--json"], env)
        const oldest: unknown = JSON.parse(snapshots.out).at(-1).id
        const then = yield* floe(["query", "--format", "csv", "--as-of", `${oldest}`, count], env)
        assert.strictEqual(then.out, "n\r\n50\r\n", then.err)
      })
  )

  it.live("given files lost by older snapshots, it leaves out these and nothing that the current one needs", () =>
    Effect.gen(function* () {
      const { folder, home, root } = yield* backedUp(records(50, "first"))
      const table = tableIn(root)
      const parquet = () =>
        readdirSync(join(table, "data"), { recursive: true, encoding: "utf8" }).filter((name) =>
          name.endsWith(".parquet")
        )
      const [old = ""] = parquet()
      yield* append(root, records(20, "second"))
      yield* commit(root, records(20, "second"))
      // Merged into another file.
      yield* Effect.flatMap(TableWriter, ({ maintain }) => maintain).pipe(
        Effect.provide(
          Layer.fresh(TableWriterLayer.layer.pipe(Layer.provide(LeasesLayer.layer), Layer.provide(at(root))))
        )
      )
      assert.strictEqual(parquet().length, 3)
      rmSync(join(table, "data", old))
      const { manifest } = yield* backUp(root, `${folder}-2`)
      assert.isFalse(manifest.files.some(({ path }) => path.endsWith(old)))
      const { audit } = yield* restore(`${folder}-2`, join(home, "elsewhere"))
      assert.deepStrictEqual(audit, { logged: 70, inTable: 70, missing: 0, extra: 0 })
    })
  )

  it.live("given --log-only, the sink rebuilds the table from the copy", () =>
    Effect.gen(function* () {
      const { folder, home, root } = yield* backedUp(records(30, "only"))
      const { audit, manifest } = yield* backUp(root, `${folder}-log`, { logOnly: true })
      assert.isNull(audit)
      assert.isNull(manifest.table)
      assert.sameMembers(readdirSync(`${folder}-log`), ["log.db", "log.end", "backup.json"])
      const restored = join(home, "restored")
      yield* restore(`${folder}-log`, restored)
      const made = yield* floe(["rebuild", "--into", "again"], { FLOE_DATA: restored })
      assert.strictEqual(made.code, 0, made.err)
      assert.deepStrictEqual(
        sorted(yield* icebirdRows(join(restored, "warehouse", "default", "again"))),
        sorted(records(30, "only"))
      )
    })
  )

  it.live("given a target where it would be lost or would hide something, it fails", () =>
    Effect.gen(function* () {
      const { folder, home, root } = yield* backedUp(records(5, "a"))
      const rejected = (target: string, reason: string) =>
        Effect.map(Effect.flip(backUp(root, target)), (error) => assert.include(error.message, reason))
      yield* rejected(folder, "it is not empty")
      yield* rejected(root, "inside the data folder")
      yield* rejected(join(root, "backup"), "inside the data folder")
      yield* rejected(join(folder, "log.db"), "it is a file")
      mkdirSync(join(home, "other.partial", "mine"), { recursive: true })
      yield* rejected(join(home, "other"), "no backup made it")
      const nothing = join(home, "nothing")
      const error = yield* Effect.flip(backUp(nothing, join(home, "of-nothing")))
      assert.include(error.message, "there is no log yet")
      assert.isFalse(existsSync(join(home, "of-nothing.partial")))
    })
  )

  it.live("given a log that ends before its high-water mark, it fails and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { home, root } = yield* backedUp(records(5, "a"))
      const database = new DatabaseSync(join(root, "log.db"))
      database.exec('DELETE FROM log WHERE "offset" = 4')
      database.close()
      const target = join(home, "again")
      const error = yield* Effect.flip(backUp(root, target, { logOnly: true }))
      assert.include(error.message, "acknowledged")
      assert.isFalse(existsSync(target))
      assert.isFalse(existsSync(`${target}.partial`))
    })
  )
})

it.live("a copy that fails names the file at fault: the target, or the original", () =>
  Effect.gen(function* () {
    const home = yield* temporaryFolder
    const [from, to] = [join(home, "from"), join(home, "to")]
    for (const folder of [from, to]) mkdirSync(folder)
    writeFileSync(join(from, "there"), "a")
    writeFileSync(join(to, "there"), "b")
    const failed = (name: string) => Effect.flip(copyFiles(from, to, [name], () => {}))
    assert.strictEqual((yield* failed("there")).path, join(to, "there"))
    assert.strictEqual((yield* failed("missing")).path, join(from, "missing"))
  })
)

describe("floe restore", () => {
  it.live("given one flipped byte in any file, it fails and restores nothing", () =>
    Effect.gen(function* () {
      const { folder, home, made } = yield* backedUp(records(40, "a"))
      const restored = join(home, "restored")
      const parquet = made.manifest.files.find(({ path }) => path.endsWith(".parquet"))
      const names = ["log.db", "log.end", "backup.json", parquet?.path ?? ""]
      for (const name of names) {
        const damaged = join(home, "damaged")
        cpSync(folder, damaged, { recursive: true })
        const bytes = readFileSync(join(damaged, name))
        const place = bytes.length >> 1
        bytes[place] = (bytes[place] ?? 0) ^ 1
        writeFileSync(join(damaged, name), bytes)
        const error = yield* Effect.flip(restore(damaged, restored))
        assert.include(error.message, join(damaged, name))
        assert.deepStrictEqual(readdirSync(restored), [], name)
        rmSync(damaged, { recursive: true })
      }
      rmSync(join(folder, "log.end"))
      assert.include((yield* Effect.flip(restore(folder, restored))).message, "log.end: it is missing")
    })
  )

  it.live("given a path outside the backup's folder, it takes no file from there", () =>
    Effect.gen(function* () {
      const { folder, home } = yield* backedUp(records(3, "a"))
      const file = join(folder, "backup.json")
      const content = JSON.parse(readFileSync(file, "utf8"))
      content.backup.files[0].path = "../data/log.db"
      const { hash } = yield* Effect.promise(() => import("node:crypto"))
      content.sha256 = hash("sha256", JSON.stringify(content.backup), "hex")
      writeFileSync(file, JSON.stringify(content))
      const error = yield* Effect.flip(restore(folder, join(home, "restored")))
      assert.strictEqual(error._tag, "RestoreFailed")
    })
  )

  it.live("given a data folder that is not empty, it fails, except where a restore was killed", () =>
    Effect.gen(function* () {
      const { folder, home, root } = yield* backedUp(records(10, "a"))
      assert.include((yield* Effect.flip(restore(folder, root))).message, "it is not empty")
      assert.lengthOf(yield* loggedIn(root), 10)
      // As a kill leaves it: the high-water mark in place, the rest on its way.
      const restored = join(home, "restored")
      mkdirSync(join(restored, "restore.partial"), { recursive: true })
      cpSync(join(folder, "log.end"), join(restored, "log.end"))
      cpSync(join(folder, "log.db"), join(restored, "restore.partial", "log.db"))
      const rejected = yield* Effect.flip(append(restored, records(1, "b")))
      assert.include(rejected.message, "is missing or empty, but it had the events before offset 10")
      yield* restore(folder, restored)
      assert.isFalse(existsSync(join(restored, "restore.partial")))
      assert.deepStrictEqual(yield* loggedIn(restored), records(10, "a"))
    })
  )

  it.live(
    "given a table that is ahead of the restored log, it is not taken for that log's own, because the log has a new id",
    () =>
      Effect.gen(function* () {
        const { folder, home, made, root } = yield* backedUp(records(10, "a"))
        yield* append(root, records(5, "lost"))
        yield* commit(root, records(5, "lost"))
        const restored = join(home, "restored")
        const { logId } = yield* restore(folder, restored)
        assert.notStrictEqual(logId, made.manifest.log.id)
        assert.deepStrictEqual((yield* boundsOf(restored)).earlier, [{ logId: made.manifest.log.id, end: 10 }])
        // As many events as the lost ones: by offset alone the newer table would fit.
        yield* append(restored, records(7, "new"))
        rmSync(tableIn(restored), { recursive: true })
        renameSync(tableIn(root), tableIn(restored))
        const sink = yield* start("sink", { FLOE_DATA: restored })
        assert.strictEqual((yield* Effect.promise(() => sink.ended)).code, 1)
        assert.include(sink.output(), "lost when it was restored from an older backup")
        const audit = yield* floe(["audit"], { FLOE_DATA: restored })
        assert.strictEqual(audit.code, 1)
        const again = yield* backUp(restored, join(home, "backup-2"), { logOnly: true })
        const twice = yield* restore(join(home, "backup-2"), join(home, "twice"))
        assert.strictEqual(again.manifest.log.id, logId)
        assert.notStrictEqual(twice.logId, logId)
        assert.lengthOf(yield* loggedIn(join(home, "twice")), 17)
      })
  )
})

describe("a log without its high-water mark", () => {
  it.live("given a copy of log.db alone, no server starts on it, because it lacks what was in the WAL", () =>
    Effect.gen(function* () {
      const home = yield* temporaryFolder
      const [root, copy] = [join(home, "data"), join(home, "copy")]
      mkdirSync(copy)
      yield* append(root, records(10, "a"))
      yield* Effect.gen(function* () {
        yield* Effect.flatMap(EventLog, (log) => log.append({ records: records(3, "in the WAL") }))
        cpSync(join(root, "log.db"), join(copy, "log.db"))
      }).pipe(Effect.provide(log(root)))
      const rejected = yield* Effect.flip(append(copy, records(1, "b")))
      assert.include(rejected.message, "log.end is missing")
      const unsafe = yield* Effect.flip(backUp(copy, join(home, "backup")))
      assert.include(unsafe.message, "log.end is missing")
      const doctor = yield* floe(["doctor"], { FLOE_DATA: copy })
      assert.include(doctor.out.replace(/\s+/g, " "), "log.end is missing")
      // The command in its message accepts it.
      writeFileSync(join(copy, "log.end"), "")
      const { positions } = yield* append(copy, records(1, "b"))
      assert.deepStrictEqual(positions, [{ partition: 0, offset: 10, count: 1 }])
    })
  )
})
