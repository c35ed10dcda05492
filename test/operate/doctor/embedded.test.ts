import { chmodSync, chownSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as EventLogReaderLayer from "../../../layers/log/sqlite/EventLogReader.ts"
import * as StreamsLayer from "../../../layers/log/sqlite/Streams.ts"
import { type Limits, make } from "../../../layers/operate/doctor/embedded.ts"
import * as StreamSinks from "../../../layers/operate/status/StreamSinks.ts"
import { sinkState } from "../../../layers/operate/status/sinkState.ts"
import { ProcessorReports } from "../../../layers/process/ProcessorReports.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { SinkControl } from "../../../layers/sink/SinkControl.ts"
import * as TableEvolutionLayer from "../../../layers/sink/TableEvolution.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import * as TableReaderLayer from "../../../layers/table/iceberg/TableReader.ts"
import * as TableWriterLayer from "../../../layers/table/iceberg/TableWriter.ts"
import type { Finding } from "../../../services/Checks.ts"
import { EventLog, EventLogReader } from "../../../services/EventLog.ts"
import { TableWriter } from "../../../services/TableWriter.ts"
import { hourOf, type WeatherRecord } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { floe, freePort, start } from "../../support/program.ts"
import { onDisk } from "../../support/waiting.ts"
import * as wallClock from "../../support/wallClock.ts"
import { reading } from "../../support/weatherTable.ts"

/** A data folder, and a port on which nobody listens yet. */
const place = Effect.gen(function* () {
  const data = join(yield* temporaryFolder, "data")
  const port = yield* freePort
  const env = { FLOE_DATA: data, FLOE_PORT: String(port), FLOE_TARGET: `http://127.0.0.1:${port}` }
  return { data, port, env }
})
type Place = Effect.Success<typeof place>

const checkOf = (name: string, { data, env }: Pick<Place, "data" | "env">, limits: Partial<Limits>) =>
  Effect.gen(function* () {
    const check = (yield* make(limits)).all.find((check) => check.name === name)
    if (check === undefined) return yield* Effect.die(new Error(`there is no check ${name}`))
    return { findings: yield* check.run, ok: check.ok }
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        EventLogReaderLayer.layer,
        StreamsLayer.layer,
        ProcessorReports.none,
        Layer.mergeAll(TableReaderLayer.at("weather"), StreamSinks.layer, TableEvolutionLayer.layer).pipe(
          Layer.provide(LeasesLayer.layer)
        )
      )
    ),
    Effect.provide(at(data)),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )

/** What the check of this name finds. */
const found = (name: string, here: Pick<Place, "data" | "env">, limits: Partial<Limits> = {}) =>
  Effect.map(checkOf(name, here, limits), ({ findings }) => findings)

/** What it reports if it finds nothing. */
const okOf = (name: string, here: Pick<Place, "data" | "env">) => Effect.map(checkOf(name, here, {}), ({ ok }) => ok)

/** One finding with this text, a consequence and a fix. */
const named = (findings: ReadonlyArray<Finding>, pattern: RegExp) => {
  assert.strictEqual(findings.length, 1, JSON.stringify(findings))
  assert.match(findings[0]?.finding ?? "", pattern)
  assert.match(findings[0]?.consequence ?? "", /\.$/)
  assert.isAbove(findings[0]?.fix.length ?? 0, 5)
}

const log = (records: ReadonlyArray<WeatherRecord>) =>
  Effect.gen(function* () {
    yield* (yield* EventLog).append({ records })
    return (yield* (yield* EventLogReader).bounds).logId
  })

const logged = (data: string, records: ReadonlyArray<WeatherRecord>) =>
  log(records).pipe(Effect.provide(EventLogLayer.layer), Effect.provide(at(data)))

const committed = (data: string, progress: { readonly logId: string; readonly offset: number }, times = 1) =>
  Effect.gen(function* () {
    const table = yield* TableWriter
    for (let i = 0; i < times; i++) {
      yield* table.stage([reading("Oslo", `${i}`, "2026-01-08-14")])
      yield* table.commit(progress)
    }
  }).pipe(
    Effect.provide(TableWriterLayer.layer.pipe(Layer.provide(LeasesLayer.layer))),
    Effect.provide(at(data)),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: {} }))
  )

const three = ["Oslo", "Lima", "Pune"].map((city) => reading(city, "1", "2026-01-08-14"))

const listening = (handler: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer(handler)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ port: typeof address === "object" && address !== null ? address.port : 0, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const onPort = ({ data }: Place, port: number): Pick<Place, "data" | "env"> => ({
  data,
  env: { FLOE_DATA: data, FLOE_PORT: String(port), FLOE_TARGET: `http://127.0.0.1:${port}` }
})

const served = Effect.fnUntraced(function* ({ env }: Place) {
  const server = yield* start("server", env)
  yield* Effect.promise(() => server.printed(/listens on/))
  return server
})

const state = ({ data }: Place) =>
  sinkState.pipe(
    Effect.provide(at(data)),
    Effect.map(({ _tag }) => _tag)
  )

/** Waits until the sink's process has reported this state, in the write-ahead log of its control database. */
const reports = (place: Place, wanted: string) =>
  onDisk(join(place.data, "control.db-wal"), state(place), (_) => _ === wanted).pipe(Effect.timeout("15 seconds"))

/** As seen this many milliseconds later. */
const later =
  (millis: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(wallClock.WallClock, ({ step }) => Effect.andThen(step(millis), effect)).pipe(
      Effect.provide(wallClock.layer)
    )

const sinking = Effect.fnUntraced(function* (place: Place) {
  const sink = yield* start("sink", place.env)
  const ended = Effect.promise(() => sink.ended).pipe(
    Effect.andThen(Effect.suspend(() => Effect.die(new Error(sink.output()))))
  )
  yield* Effect.raceFirst(reports(place, "Running"), ended)
  return sink
})

describe("doctor", () => {
  it.live(
    "reports nothing where server and sink run, and exits with 0 as a process",
    () =>
      Effect.gen(function* () {
        const here = yield* place
        const server = yield* served(here)
        const sink = yield* sinking(here)
        yield* floe(["send", "Oslo", "41.5"], here.env)
        yield* Effect.promise(() => sink.printed(/committed 1 row/))
        for (const name of ["port", "server", "data", "disk", "folder", "clock", "log", "sink", "table", "files"]) {
          assert.deepStrictEqual(yield* found(name, here, { roomBytes: 1024 }), [], name)
        }
        const well = yield* floe(["doctor", "--json"], here.env)
        const { checks, healthy } = Schema.decodeUnknownSync(Report)(well.out)
        // The disk of a machine may be full for real.
        const others = checks.filter(({ name }) => name !== "disk")
        assert.strictEqual(others.length, 9)
        assert.deepStrictEqual(
          others.flatMap(({ findings }) => findings),
          []
        )
        assert.strictEqual(well.code, healthy ? 0 : 1)

        for (const program of [server, sink]) program.signal("SIGTERM")
        yield* Effect.promise(() => Promise.all([server.ended, sink.ended]))
        const failed = yield* floe(["doctor"], here.env)
        assert.strictEqual(failed.code, 1)
        assert.match(
          failed.out,
          /^FAIL server {3}The logging server at http:\/\/127\.0\.0\.1:\d+ \(from FLOE_TARGET\) is unavailable:/m
        )
        assert.match(failed.out, /^FAIL sink {5}The sink is not running; it was stopped at /m)
        assert.match(failed.out, /^ok {3}log /m)
        assert.match(failed.err, /^Checks failed: .*server.*, sink\.\n$/)
        // In a pipe nothing is wrapped: what it leads to is the line below the finding.
        assert.match(failed.out, /^FAIL sink .*\n {14}New events stay in the log .* table\.\n {14}→ /m)
        assert.match(
          failed.out,
          /^ +→ Start it \(npm start, or node dist\/server\.js\), or set FLOE_TARGET to where it listens\.$/m
        )
      }).pipe(Effect.scoped),
    60_000
  )

  it.live("port: a program that is not our server has it", () =>
    Effect.gen(function* () {
      const here = yield* place
      assert.deepStrictEqual(yield* found("port", here), [])
      const { port } = yield* listening((_, response) => response.writeHead(404).end("no"))
      named(yield* found("port", onPort(here, port)), /^Port \d+ on 127\.0\.0\.1 is in use by a program that is not/)
      named(yield* found("server", onPort(here, port)), /another program answers there, not a logging server/)
    }).pipe(Effect.scoped)
  )

  it.live(
    "server: it runs and is not where it is looked for, or accepts no events",
    () =>
      Effect.gen(function* () {
        const here = yield* place
        yield* served(here)
        const elsewhere = onPort(here, yield* freePort)
        named(yield* found("server", elsewhere), /nothing listens there\. But a server holds .*server\.lock\.$/)
        renameSync(join(here.data, "log.db"), join(here.data, "away.db"))
        assert.strictEqual((yield* floe(["send", "Oslo", "1"], here.env)).code, 1)
        named(yield* found("server", here), /accepts no events: .*was moved, removed or replaced/)
      }).pipe(Effect.scoped),
    60_000
  )

  it.effect("disk: less room than it should have", () =>
    Effect.gen(function* () {
      const here = yield* place
      const { bavail, bsize } = statfsSync("/tmp")
      named(
        yield* found("disk", here, { roomBytes: bavail * bsize + 2 ** 34 }),
        /^The disk of .* has [\d,]+ MiB of [\d,]+ MiB left\.$/
      )
      assert.deepStrictEqual(yield* found("disk", here, { roomBytes: 4096 }), [])
    }).pipe(Effect.scoped)
  )

  it.effect("folder: something in it is another user's", () =>
    Effect.gen(function* () {
      const here = yield* place
      yield* logged(here.data, three)
      assert.deepStrictEqual(yield* found("folder", here), [])
      const path = join(here.data, "log.end")
      if (process.getuid?.() === 0) chownSync(path, 12_345, 12_345)
      else chmodSync(path, 0o000)
      const findings = yield* found("folder", here)
      named(findings, /log\.end/)
      assert.match(findings[0]?.fix ?? "", /chown -R/)
    }).pipe(Effect.scoped)
  )

  it.effect("clock: it shows less than when the newest event was accepted, or another time than the server's", () =>
    Effect.gen(function* () {
      const here = yield* place
      const now = Date.UTC(2026, 0, 8, 14)
      yield* TestClock.setTime(now)
      yield* logged(here.data, three)
      assert.deepStrictEqual(yield* found("clock", here), [])
      yield* TestClock.setTime(now - 3_600_000)
      named(
        yield* found("clock", here),
        /^The newest event was accepted 3,600 s later than this machine's clock shows now\.$/
      )
      // A program that ran then has noticed it.
      writeFileSync(join(here.data, "clock.json"), JSON.stringify({ at: now - 3_600_000, by: -3_600_000 }))
      const noticed = yield* found("clock", here)
      named(noticed, /shows now; it was set back by 3,600 s, to 2026-01-08T13:00:00\.000Z\.$/)
      assert.match(noticed[0]?.fix ?? "", /wait: nothing is lost, and the clock catches up in 3,600 s\.$/)
      yield* TestClock.setTime(now)
      assert.deepStrictEqual(yield* found("clock", here), [])
      assert.match(yield* okOf("clock", here), /it was set back by 3,600 s, to 2026-01-08T13:00:00\.000Z\.$/)

      yield* TestClock.setTime(now + 60_000)
      const ahead = yield* listening(({ url }, response) => {
        response.writeHead(200, { date: new Date(now + 180_000).toUTCString() })
        response.end(JSON.stringify({ status: url === "/health" ? "healthy" : "ready" }))
      })
      named(yield* found("clock", onPort(here, ahead.port)), /is 120 s ahead of this one\.$/)
    }).pipe(Effect.scoped)
  )

  it.effect("log: an event was changed, the end is missing, it is not the table's, it is shorter than the table", () =>
    Effect.gen(function* () {
      const withLog = (change: (database: DatabaseSync) => void) =>
        Effect.gen(function* () {
          const here = yield* place
          const logId = yield* logged(here.data, three)
          yield* committed(here.data, { logId, offset: 3 })
          assert.deepStrictEqual(yield* found("log", here), [])
          const database = new DatabaseSync(join(here.data, "log.db"))
          change(database)
          database.close()
          return yield* found("log", here)
        })
      const changed = yield* withLog((_) => _.exec(`UPDATE log SET city = 'Rome' WHERE "offset" = 1`))
      named(changed, /^The event log is corrupt at partition 0, offset 1: its checksum does not match/)
      const cut = yield* withLog((_) => _.exec(`DELETE FROM log WHERE "offset" = 2`))
      named(cut, /^The event log is corrupt at partition 0, offset 2: the log ends here/)

      const other = yield* place
      yield* logged(other.data, three)
      yield* committed(other.data, { logId: "another", offset: 3 })
      named(yield* found("log", other), /^The table was written from another log \(id another\)/)

      const shorter = yield* place
      const logId = yield* logged(shorter.data, three)
      yield* committed(shorter.data, { logId, offset: 5 })
      named(yield* found("log", shorter), /^The log ends at offset 3, and the table holds it up to 5/)
    }).pipe(Effect.scoped)
  )

  it.live(
    "sink: it was never started, is paused, hangs, died or has failed",
    () =>
      Effect.gen(function* () {
        const here = yield* place
        const logId = yield* logged(here.data, three)
        named(yield* found("sink", here), /^The sink was never started on this data/)
        const sink = yield* sinking(here)
        const control = <A, E>(use: (control: SinkControl["Service"]) => Effect.Effect<A, E>) =>
          Effect.flatMap(SinkControl, use).pipe(Effect.provide(SinkControl.layer.pipe(Layer.provide(at(here.data)))))
        yield* control((_) => _.request("pause"))
        yield* reports(here, "Paused")
        named(yield* found("sink", here), /^The sink is paused/)
        yield* control((_) => _.request("resume"))
        yield* reports(here, "Running")

        sink.signal("SIGSTOP")
        assert.strictEqual(yield* later(10_000)(state(here)), "Silent")
        named(
          yield* later(10_000)(found("sink", here)),
          new RegExp(`^The sink \\(process ${sink.pid}\\) holds its lock and has sent no heartbeat`)
        )
        sink.signal("SIGKILL")
        yield* Effect.promise(() => sink.ended)
        named(yield* found("sink", here), /^The sink died; its last heartbeat was at /)

        const failing = yield* place
        yield* logged(failing.data, three)
        yield* committed(failing.data, { logId: `not ${logId}`, offset: 3 })
        const failed = yield* start("sink", failing.env)
        yield* Effect.promise(() => failed.ended)
        named(yield* found("sink", failing), /^The sink has failed: The table at .* was written from another log/)
      }).pipe(Effect.scoped),
    60_000
  )

  it.live(
    "sink: it runs and commits nothing though the log grows",
    () =>
      Effect.gen(function* () {
        const here = yield* place
        yield* logged(here.data, three)
        const sink = yield* sinking(here)
        yield* Effect.promise(() => sink.printed(/committed 3 rows/))
        assert.deepStrictEqual(yield* found("sink", here, { commitLagLimit: Duration.millis(1) }), [])
        // Where a folder should be there is a file.
        const folder = join(here.data, "warehouse", "default", "weather", "data")
        renameSync(folder, `${folder}.away`)
        writeFileSync(folder, "")
        yield* logged(here.data, [reading("Rome", "1", hourOf(Date.now()))])
        yield* Effect.promise(() => sink.printed(/Retrying until it works/))
        const findings = yield* later(1_000)(found("sink", here, { commitLagLimit: Duration.millis(100) }))
        named(
          findings,
          /^The sink is running but commits nothing: event 3 has been in the log for \d+ s; events not in the table: 1\.$/
        )
        rmSync(folder)
        renameSync(`${folder}.away`, folder)
        yield* Effect.promise(() => sink.printed(/committed 1 row/))
        assert.deepStrictEqual(yield* found("sink", here, { commitLagLimit: Duration.millis(100) }), [])
      }).pipe(Effect.scoped),
    60_000
  )

  it.effect("files: many small files in an hour that has ended, many snapshots", () =>
    Effect.gen(function* () {
      const here = yield* place
      const logId = yield* logged(here.data, three)
      yield* TestClock.setTime(Date.UTC(2026, 0, 9))
      yield* committed(here.data, { logId, offset: 3 }, 10)
      assert.deepStrictEqual(yield* found("files", here), [])
      named(yield* found("files", here, { smallFilesEnded: 9 }), /^1 partition has 10 small files; ts=2026-01-08-14/)
      named(yield* found("files", here, { snapshots: 9 }), /^The table keeps 10 snapshots\.$/)
      assert.deepStrictEqual(yield* found("files", here, { smallFilesEnded: 10, snapshots: 10 }), [])
      yield* TestClock.setTime(Date.UTC(2026, 0, 8, 14, 30))
      assert.deepStrictEqual(yield* found("files", here, { smallFilesEnded: 9 }), [])
    }).pipe(Effect.scoped)
  )
})

const Report = Schema.fromJsonString(
  Schema.Struct({
    healthy: Schema.Boolean,
    checks: Schema.Array(Schema.Struct({ name: Schema.String, findings: Schema.Array(Schema.Json) }))
  })
)
