import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Sqlite from "../../layers/log/sqlite/EventLog.ts"
import * as SqliteReader from "../../layers/log/sqlite/EventLogReader.ts"
import * as StreamsLayer from "../../layers/log/sqlite/Streams.ts"
import { upgrade } from "../../layers/log/sqlite/schema.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import { Streams } from "../../services/Streams.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { icebirdRows, sorted } from "../support/icebirdReader.ts"
import { inProcess, programs } from "../support/inProcess.ts"

/**
 * A folder that Floe 0.1.0 wrote, stopped with SIGTERM: 40 events of weather "Oslo 0", "São Paulo 1", … "Oslo 35" and so
 * on through five cities, the first 36 in its table in three commits. Offsets 0 to 3 have the keys key-0 to key-3, offset 20
 * has key-20; batch-4 is offsets 4 to 9, batch-21 offsets 21 to 35, batch-36 offsets 36 to 39.
 */
const archive = join(import.meta.dirname, "..", "recorded", "log", "0.1.0.tar.gz")
const cities = ["Oslo", "São Paulo", "القاهرة", "Lima", `O'Brien "Bay"`]
const recordOf = (i: number) => ({ city: `${cities[i % 5]} ${i}`, temperature: `${i}.50`, ts: "2026-11-27-21" })
const all = Array.from({ length: 40 }, (_, i) => recordOf(i))
const hourLater = Date.UTC(2026, 10, 27, 22)

const unpacked = Effect.map(temporaryFolder, (folder) => {
  execFileSync("tar", ["-xzf", archive, "-C", folder])
  return folder
})

const formatIn = (folder: string) => {
  const database = new DatabaseSync(join(folder, "log.db"), { readOnly: true })
  try {
    return database.prepare("SELECT log_id, format FROM meta").get()
  } finally {
    database.close()
  }
}

const recordsIn = Effect.gen(function* () {
  const log = yield* EventLogReader
  const events = yield* Stream.runCollect(log.read({ partition: 0, offset: 0 }, { until: "end" }))
  return events.map(({ record }) => record)
})

const server = (folder: string) => Layer.fresh(Sqlite.layer.pipe(Layer.provide(at(folder))))
const reader = (folder: string) => Layer.fresh(SqliteReader.layer.pipe(Layer.provide(at(folder))))

describe("A folder that Floe 0.1.0 wrote", () => {
  it.effect("is read as it is, without a server, and stays as it is", () =>
    Effect.gen(function* () {
      const folder = yield* unpacked
      assert.deepStrictEqual(yield* recordsIn.pipe(Effect.provide(reader(folder))), all)
      const streams = StreamsLayer.layer.pipe(Layer.provide(at(folder)))
      const applied = yield* Effect.flatMap(Streams, ({ all }) => all).pipe(Effect.provide(streams))
      assert.deepStrictEqual(
        applied.map(({ definition }) => definition.name),
        ["weather"]
      )
      const readings = Effect.flatMap(EventLogReader, (log) => log.of("readings").bounds)
      assert.strictEqual((yield* readings.pipe(Effect.provide(reader(folder)))).partitions[0]?.end, 0)
      assert.strictEqual(formatIn(folder)?.format, 1)
    })
  )

  it.effect("goes on: its id, its events, its keys, its first hour", () =>
    Effect.gen(function* () {
      const folder = yield* unpacked
      const before = formatIn(folder)
      yield* TestClock.setTime(hourLater)
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const keyed = (key: string, ...offsets: ReadonlyArray<number>) =>
          log.append({
            records: offsets.map((offset) => ({ ...recordOf(offset), ts: "2026-11-27-22" })),
            idempotency: { key, digest: digests.get(key) ?? "" }
          })
        const database = new DatabaseSync(join(folder, "log.db"), { readOnly: true })
        const rows = database.prepare("SELECT key, digest FROM log WHERE key IS NOT NULL").all()
        database.close()
        const digests = new Map(rows.map(({ key, digest }) => [String(key), String(digest)]))
        assert.deepStrictEqual(yield* keyed("key-3", 3), {
          positions: [{ partition: 0, offset: 3, count: 1 }],
          ts: "2026-11-27-21",
          repeated: true
        })
        assert.deepStrictEqual((yield* keyed("batch-36", 36, 37, 38, 39)).positions, [
          { partition: 0, offset: 36, count: 4 }
        ])
        assert.strictEqual((yield* log.append({ records: [recordOf(40)] })).positions[0]?.offset, 40)
        yield* log.append({ stream: "readings", schemaVersion: 1, records: [`{"celsius":1}`] })
        assert.deepStrictEqual(yield* recordsIn, [...all, recordOf(40)])
      }).pipe(Effect.provide(server(folder)))
      assert.deepStrictEqual({ ...formatIn(folder) }, { log_id: before?.log_id, format: 3 })
      assert.deepStrictEqual(yield* recordsIn.pipe(Effect.provide(reader(folder))), [...all, recordOf(40)])
    })
  )

  it.effect("is upgraded once by two programs that found it at the same time", () =>
    Effect.gen(function* () {
      const folder = yield* unpacked
      const connections = [1, 2].map(() => new DatabaseSync(join(folder, "log.db")))
      for (const database of connections) upgrade(database, 1)
      for (const database of connections) database.close()
      assert.strictEqual(formatIn(folder)?.format, 3)
      assert.deepStrictEqual(yield* recordsIn.pipe(Effect.provide(server(folder))), all)
    })
  )

  it.live("goes on with its table, which then has each of its events once", () =>
    Effect.gen(function* () {
      const folder = yield* unpacked
      const env = { FLOE_DATA: folder, FLOE_PORT: "0", FLOE_COMMIT_INTERVAL: "50 millis" }
      // Programs that stop commit what the log has first.
      yield* Effect.scoped(programs(env))
      const table = join(folder, "warehouse", "default", "weather")
      assert.deepStrictEqual(sorted(yield* icebirdRows(table)), sorted(all))
      const audit = yield* inProcess(["audit"], env)
      assert.deepStrictEqual([audit.code, audit.err], [0, ""])
      const first = ["query", "--format", "csv", "--as-of", "3276929326185797", "SELECT count(*) AS n FROM weather"]
      assert.strictEqual((yield* inProcess(first, env)).out, "n\r\n10\r\n")
    })
  )
})
