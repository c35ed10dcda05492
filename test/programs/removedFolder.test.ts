/** A data folder that is removed, moved or replaced under programs that run: nothing is acknowledged that has no name. */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { probeFolder } from "../../layers/runtime/probeFolder.ts"
import { Sink } from "../../layers/sink/Sink.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import type { WeatherRecord } from "../../services/Weather.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { inProcess, programs } from "../support/inProcess.ts"
import { reading } from "../support/weatherTable.ts"

const one = reading("Oslo", "1", "2026-01-08-14")

const opened = (data: string) =>
  Layer.build(Layer.fresh(EventLogLayer.layer).pipe(Layer.provide(Layer.fresh(at(data))))).pipe(
    Effect.map((context) => Context.get(context, EventLog))
  )

/** The cities in a log that is opened again. */
const cities = (data: string) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Layer.fresh(EventLogLayer.layer).pipe(Layer.provide(Layer.fresh(at(data)))))
    const read = Context.get(context, EventLogReader).read({ partition: 0, offset: 0 }, { until: "end" })
    return (yield* Stream.runCollect(read)).map(({ record }) => record.city)
  }).pipe(Effect.scoped)

const ways: ReadonlyArray<readonly [name: string, change: (data: string) => void]> = [
  ["removed", (data) => rmSync(data, { recursive: true })],
  ["moved", (data) => renameSync(data, `${data}.away`)],
  [
    "replaced by a copy",
    (data) => {
      cpSync(data, `${data}.copy`, { recursive: true })
      renameSync(data, `${data}.away`)
      renameSync(`${data}.copy`, data)
    }
  ],
  [
    "created again, empty",
    (data) => {
      rmSync(data, { recursive: true })
      mkdirSync(data)
    }
  ],
  ["without its log.db", (data) => rmSync(join(data, "log.db"))],
  ["without its WAL", (data) => rmSync(join(data, "log.db-wal"))]
]

it.effect("an append fails if the folder is no longer at its path", () =>
  Effect.gen(function* () {
    for (const [name, change] of ways) {
      const data = join(yield* temporaryFolder, "data")
      const log = yield* opened(data)
      yield* log.append({ records: [one] })
      change(data)
      const failure = yield* Effect.flip(log.append({ records: [one] }))
      assert.strictEqual(failure._tag, "LogUnavailable", name)
      assert.match(
        failure.message,
        /log\.db or its WAL was moved, removed or replaced while the server is running/,
        name
      )
      const notReady = yield* Effect.flip(log.ready)
      assert.match(notReady.message, /was moved, removed or replaced/, name)
    }
  }).pipe(Effect.scoped)
)

it.effect("a folder that is put back accepts events again, and has every acknowledged one", () =>
  Effect.gen(function* () {
    const data = join(yield* temporaryFolder, "data")
    yield* Effect.gen(function* () {
      const log = yield* opened(data)
      yield* log.append({ records: [reading("Oslo", "1", one.ts)] })
      renameSync(data, `${data}.away`)
      yield* Effect.flip(log.append({ records: [reading("Lima", "1", one.ts)] }))
      renameSync(`${data}.away`, data)
      yield* log.append({ records: [reading("Pune", "1", one.ts)] })
    }).pipe(Effect.scoped)
    assert.deepStrictEqual(yield* cities(data), ["Oslo", "Pune"])
  }).pipe(Effect.scoped)
)

it.effect("an event that is committed just as the folder disappears is not acknowledged", () =>
  Effect.gen(function* () {
    const data = join(yield* temporaryFolder, "data")
    const log = yield* opened(data)
    yield* log.append({ records: [one] })
    // The records are read after the folder is checked and before the commit.
    const records: ReadonlyArray<WeatherRecord> = new Proxy([one], {
      get: (target, key) => {
        if (key === Symbol.iterator && existsSync(data)) rmSync(data, { recursive: true })
        return Reflect.get(target, key)
      }
    })
    assert.strictEqual((yield* Effect.flip(log.append({ records })))._tag, "AppendOutcomeUnknown")
  }).pipe(Effect.scoped)
)

it.live(
  "the sink stops with one sentence, the server rejects events, and doctor reports that the folder does not exist",
  () =>
    Effect.gen(function* () {
      const data = join(yield* temporaryFolder, "data")
      const env = { FLOE_DATA: data, FLOE_PORT: "0", FLOE_LOG_FORMAT: "json" }
      const context = yield* programs(env)
      const { url } = Context.get(context, HttpServer)
      const get = (path: string) => Effect.promise(() => fetch(`${url}${path}`))
      assert.strictEqual((yield* get("/log?city=Oslo&temperature=1")).status, 200)
      rmSync(data, { recursive: true })
      assert.strictEqual((yield* get("/log?city=Lima&temperature=1")).status, 503)
      assert.strictEqual((yield* get("/ready")).status, 503)
      const stopped = yield* Effect.flip(Context.get(context, Sink).failure)
      assert.strictEqual(
        stopped.message,
        `The data folder ${data} was moved, removed or replaced while the sink was writing to it. Put it back, or set FLOE_DATA to its new place, and restart; the log has all acknowledged events.`
      )
      const doctor = yield* inProcess(["doctor"], env)
      assert.strictEqual(doctor.code, 1)
      assert.match(doctor.out, /^FAIL +data +The data folder .*data does not exist\.$/m)
      for (const check of ["log", "table", "sink", "folder"]) {
        assert.match(doctor.out, new RegExp(`^-- +${check} +Not checked: fix data first\\.$`, "m"))
      }
      assert.isFalse(existsSync(data))
    }).pipe(Effect.scoped)
)

it.effect("a folder is probed for the file system features that the log and the table need", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const failing = (code: string) => () => {
      throw Object.assign(new Error(code), { code })
    }
    assert.isUndefined(probeFolder(folder))
    for (const code of ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]) {
      const fault = probeFolder(folder, { link: failing(code) })
      assert.strictEqual(fault?.operation, "link")
      assert.match(fault?.reason ?? "", /^its file system has no hard links, which each commit needs; set FLOE_DATA/)
    }
    assert.match(
      probeFolder(folder, { sync: failing("EINVAL") })?.reason ?? "",
      /cannot make a folder durable \(fsync\)/
    )
    assert.match(
      probeFolder(folder, { sync: failing("EIO") })?.reason ?? "",
      /^the disk reports an error; check the disk$/
    )
    assert.match(probeFolder(join(folder, "nowhere"))?.reason ?? "", /ENOENT/)
    assert.deepStrictEqual(readdirSync(folder), [])
  }).pipe(Effect.scoped)
)
