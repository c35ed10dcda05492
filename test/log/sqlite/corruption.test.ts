import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Random, Ref, Stream } from "effect"
import * as Sqlite from "../../../layers/log/sqlite/EventLog.ts"
import * as SqliteReader from "../../../layers/log/sqlite/EventLogReader.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { EventLog, EventLogReader, type LoggedEvent } from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"

const server = (folder: string) => Sqlite.layer.pipe(Layer.provide(at(folder)))
const reader = (folder: string) => SqliteReader.layer.pipe(Layer.provide(at(folder)))

const inDatabase = 400
const inWal = 120

const records: ReadonlyArray<WeatherRecord> = Array.from({ length: inDatabase + inWal }, (_, i) => ({
  city: `${["Oslo", "القاهرة", "São Paulo", "🌧️ Bergen"][i % 4]} ${i}`,
  temperature: `${i}.50`,
  ts: "2026-01-08-14"
}))

const appendAll = (some: ReadonlyArray<WeatherRecord>) =>
  Effect.gen(function* () {
    const log = yield* EventLog
    for (let i = 0; i < some.length; i += 10) {
      const idempotency = i % 20 === 0 ? { key: `${some[i]?.city}`, digest: "d" } : undefined
      yield* log.append({ records: some.slice(i, i + 10), idempotency })
    }
  })

const files = ["log.db", "log.db-wal", "log.end"]

/** The folder as a killed process leaves it; the index of the WAL is rebuilt from the WAL. */
const copy = (from: string, to: string) => {
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to)
  for (const file of files) cpSync(join(from, file), join(to, file))
}

class Killed extends Context.Service<
  Killed,
  {
    /** Most rows in the database, the last `inWal` in the WAL only. */
    readonly folder: string
    /** The same log, earlier: all of its rows in the database. */
    readonly older: string
    readonly scratch: string
  }
>()("floe/test/Killed") {}

const killed = Layer.effect(
  Killed,
  Effect.gen(function* () {
    const root = yield* temporaryFolder
    const [live, folder, older, scratch] = ["live", "killed", "older", "scratch"].map((name) => join(root, name))
    assert.isDefined(live)
    assert.isDefined(folder)
    assert.isDefined(older)
    assert.isDefined(scratch)
    yield* appendAll(records.slice(0, inDatabase)).pipe(Effect.provide(server(live)))
    mkdirSync(older)
    for (const file of ["log.db", "log.end"]) cpSync(join(live, file), join(older, file))
    yield* Effect.gen(function* () {
      yield* appendAll(records.slice(inDatabase))
      copy(live, folder)
    }).pipe(Effect.provide(server(live)))
    return { folder, older, scratch }
  })
)

type Outcome = "right" | "broken"

/** All the right records, or the right ones up to the position of an error; anything else fails the test. */
const judge = <E extends { readonly _tag: string; readonly message: string }>(
  what: string,
  log: Layer.Layer<EventLogReader, E>
) =>
  Effect.gen(function* () {
    const seen = yield* Ref.make<ReadonlyArray<LoggedEvent>>([])
    const failure = yield* Effect.gen(function* () {
      const log = yield* EventLogReader
      yield* log
        .read({ partition: 0, offset: 0 }, { until: "end" })
        .pipe(Stream.runForEachArray((events) => Ref.update(seen, (before) => [...before, ...events])))
    }).pipe(
      Effect.provide(log),
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(error))
    )
    const found = (yield* Ref.get(seen)).map((event) => event.record)
    assert.deepStrictEqual(found, records.slice(0, found.length), what)
    if (failure === undefined) {
      assert.strictEqual(found.length, records.length, what)
      return "right" as const
    }
    assert.strictEqual(failure._tag, "LogCorrupt", `${what}: ${failure.message}`)
    assert.match(failure.message, /^The event log is corrupt at partition 0, offset \d+: .*\.$/, what)
    return "broken" as const
  })

/** What a reader, and then a server that starts, make of the killed log after a change. */
const after = Effect.fnUntraced(function* (what: string, change: (folder: string) => void) {
  const { folder, scratch } = yield* Killed
  const outcomes: Array<Outcome> = []
  for (const [who, log] of [
    ["reader", reader(scratch)],
    ["server", server(scratch)]
  ] as const) {
    copy(folder, scratch)
    change(scratch)
    outcomes.push(yield* judge(`${what}, ${who}`, Layer.fresh(log)))
  }
  return outcomes
})

const flip = (file: string, byte: number, bit: number) => (folder: string) => {
  const path = join(folder, file)
  const bytes = readFileSync(path)
  bytes[byte] = (bytes[byte] ?? 0) ^ (1 << bit)
  writeFileSync(path, bytes)
}

const sql = (statement: string) => (folder: string) => {
  const database = new DatabaseSync(join(folder, "log.db"))
  assert.isAbove(Number(database.prepare(statement).run().changes), 0)
  database.close()
}

const bothBroken: ReadonlyArray<Outcome> = ["broken", "broken"]

layer(killed, { excludeTestServices: true })("A damaged log", (it) => {
  it.effect("is right when nothing was changed", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* after("unchanged", () => {}), ["right", "right"])
    })
  )

  it.effect("is right, and watched again, after its high-water mark was emptied by a power loss", () =>
    Effect.gen(function* () {
      const { scratch } = yield* Killed
      const outcomes = yield* after("empty mark", (folder) => truncateSync(join(folder, "log.end")))
      assert.deepStrictEqual(outcomes, ["right", "right"])
      assert.strictEqual(readFileSync(join(scratch, "log.end"), "utf8").split(/ +/)[1], String(records.length))
    })
  )

  it.effect("can be read without its high-water mark, and a server does not start on it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* after("no mark", (folder) => rmSync(join(folder, "log.end"))), ["right", "broken"])
    })
  )

  it.effect(
    "is broken for any flipped bit of its WAL",
    () =>
      Effect.gen(function* () {
        const { folder } = yield* Killed
        const size = readFileSync(join(folder, "log.db-wal")).length
        const frame = 24 + 4_096
        assert.strictEqual((size - 32) % frame, 0)
        const places = [0, 4, 8, 12, 16, 20, 24, 28]
        for (let start = 32; start < size; start += frame) {
          const within = yield* Random.nextIntBetween(24, frame - 1)
          for (const place of [yield* Random.nextIntBetween(0, 23), within]) places.push(start + place)
        }
        const last = size - frame
        for (const place of [0, 4, 8, 12, 16, 20, 24, frame - 1]) places.push(last + place)
        for (const place of places) {
          const bit = yield* Random.nextIntBetween(0, 7)
          assert.deepStrictEqual(yield* after(`WAL ${place}:${bit}`, flip("log.db-wal", place, bit)), bothBroken)
        }
      }).pipe(Random.withSeed("wal")),
    60_000
  )

  it.effect(
    "is right or broken for any flipped bit of its database, never shorter and never different",
    () =>
      Effect.gen(function* () {
        const { folder } = yield* Killed
        const bytes = readFileSync(join(folder, "log.db"))
        const places = Array.from({ length: 34 }, (_, i) => i * 3)
        for (let page = 0; page < bytes.length; page += 4_096) {
          for (const place of [0, 3, 5, 8, 11]) places.push(page + place)
          for (let i = 0; i < 5; i++) places.push(page + (yield* Random.nextIntBetween(0, 4_095)))
        }
        const count = { right: 0, broken: 0 }
        for (const place of places) {
          const bit = yield* Random.nextIntBetween(0, 7)
          for (const outcome of yield* after(`database ${place}:${bit}`, flip("log.db", place, bit))) count[outcome]++
        }
        assert.isAbove(count.broken, 50)
        assert.isAbove(count.right, 0)
      }).pipe(Random.withSeed("database")),
    60_000
  )

  it.effect("is broken for a flipped bit in the text of an event", () =>
    Effect.gen(function* () {
      // Wherever the text stands: a page that was split keeps copies of rows that are no longer its own.
      const flipAll = (text: string, bit: number) => (folder: string) => {
        const bytes = readFileSync(join(folder, "log.db"))
        const last = Buffer.from(text).length - 1
        const places = bytes.toString("latin1").matchAll(new RegExp(Buffer.from(text).toString("latin1"), "g"))
        for (const { index } of places) bytes[index + last] = (bytes[index + last] ?? 0) ^ (1 << bit)
        writeFileSync(join(folder, "log.db"), bytes)
      }
      for (const text of ["Oslo 0", "São Paulo 2", "القاهرة 1", "199.50"]) {
        for (const bit of [0, 2, 7]) {
          assert.deepStrictEqual(yield* after(`${text}:${bit}`, flipAll(text, bit)), bothBroken)
        }
      }
    })
  )

  it.effect("is broken when its WAL or its database was truncated, emptied or removed", () =>
    Effect.gen(function* () {
      const { folder } = yield* Killed
      for (const file of ["log.db", "log.db-wal"]) {
        const size = readFileSync(join(folder, file)).length
        for (const length of [0, 31, 100, 4_096, size >> 1, size - 4_096, size - 1]) {
          const what = `${file} cut to ${length}`
          const outcomes = yield* after(what, (folder) => truncateSync(join(folder, file), length))
          // The last pages of the database stand in the WAL too, so that losing them does no harm.
          if (file === "log.db-wal" || length <= size >> 1) assert.deepStrictEqual(outcomes, bothBroken, what)
        }
        const outcomes = yield* after(`${file} removed`, (folder) => rmSync(join(folder, file)))
        assert.deepStrictEqual(outcomes, bothBroken, `${file} removed`)
      }
    })
  )

  it.effect("is broken when an older copy of it was put back", () =>
    Effect.gen(function* () {
      const { older } = yield* Killed
      const outcomes = yield* after("older copy", (folder) => {
        rmSync(join(folder, "log.db-wal"))
        cpSync(join(older, "log.db"), join(folder, "log.db"))
      })
      assert.deepStrictEqual(outcomes, bothBroken)
    })
  )

  it.effect("is broken when another log was put in its place", () =>
    Effect.gen(function* () {
      const other = yield* temporaryFolder
      yield* appendAll(records).pipe(Effect.provide(server(other)))
      const outcomes = yield* after("another log", (folder) => {
        rmSync(join(folder, "log.db-wal"))
        cpSync(join(other, "log.db"), join(folder, "log.db"))
      })
      assert.deepStrictEqual(outcomes, bothBroken)
    })
  )

  it.effect.each([
    ["rows deleted from the end", `DELETE FROM log WHERE "offset" >= 515`],
    ["all rows deleted", "DELETE FROM log"],
    ["a row deleted from the middle", `DELETE FROM log WHERE "offset" = 77`],
    ["the first row deleted", `DELETE FROM log WHERE "offset" = 0`],
    ["a city changed", `UPDATE log SET city = 'Rome' WHERE "offset" = 100`],
    ["a temperature changed", `UPDATE log SET temperature = '9' || temperature WHERE "offset" = 519`],
    ["a time changed", `UPDATE log SET accepted_at = accepted_at + 1 WHERE "offset" = 3`],
    ["an hour changed", `UPDATE log SET ts = '2026-01-08-15' WHERE "offset" = 3`],
    [
      "text moved from one column to the next",
      `UPDATE log SET city = city || '3', temperature = '.50' WHERE "offset" = 3`
    ],
    ["a key removed", `UPDATE log SET key = NULL, digest = NULL, records = NULL WHERE "offset" = 20`],
    ["a checksum changed", `UPDATE log SET checksum = checksum + 1 WHERE "offset" = 300`],
    [
      "two rows exchanged",
      `UPDATE log SET city = CASE "offset" WHEN 8 THEN 'Oslo 4' ELSE 'Oslo 8' END WHERE "offset" IN (4, 8)`
    ],
    ["the log's id changed", "UPDATE meta SET log_id = '00000000-0000-4000-8000-000000000000'"]
  ] as const)("is broken after SQL: %s", ([what, statement]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* after(what, sql(statement)), bothBroken)
    })
  )

  it.effect("names the event that was changed, and gives all before it", () =>
    Effect.gen(function* () {
      const { folder, scratch } = yield* Killed
      copy(folder, scratch)
      sql(`UPDATE log SET city = 'Rome' WHERE "offset" = 321`)(scratch)
      const seen = yield* Ref.make(0)
      const error = yield* Effect.gen(function* () {
        const log = yield* EventLogReader
        return yield* log.read({ partition: 0, offset: 0 }).pipe(
          Stream.runForEach(() => Ref.update(seen, (count) => count + 1)),
          Effect.flip
        )
      }).pipe(Effect.provide(reader(scratch)))
      assert.strictEqual(yield* Ref.get(seen), 321)
      assert.strictEqual(error._tag, "LogCorrupt")
      if (error._tag === "LogCorrupt") assert.deepStrictEqual(error.position, { partition: 0, offset: 321 })
    })
  )

  it.effect("keeps the evidence: a server that does not start leaves every file as it is", () =>
    Effect.gen(function* () {
      const { folder, scratch } = yield* Killed
      copy(folder, scratch)
      flip("log.db-wal", 32 + 24 + 100, 3)(scratch)
      const before = files.map((file) => readFileSync(join(scratch, file)))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(server(scratch))))
      assert.strictEqual(error._tag, "LogCorrupt")
      for (const [i, file] of files.entries()) {
        assert.isTrue(before[i]?.equals(readFileSync(join(scratch, file))), file)
      }
    })
  )

  it.effect("rejects a key whose receipt leads to another event, and logs nothing", () =>
    Effect.gen(function* () {
      const { folder, scratch } = yield* Killed
      copy(folder, scratch)
      sql(`UPDATE receipts SET "offset" = 440 WHERE key = 'Oslo 20'`)(scratch)
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const again = (key: string) => log.append({ records: records.slice(0, 10), idempotency: { key, digest: "d" } })
        const error = yield* Effect.flip(again("Oslo 20"))
        assert.strictEqual(error._tag, "LogUnavailable")
        assert.isTrue((yield* again("Oslo 40")).repeated)
        assert.strictEqual((yield* (yield* EventLogReader).bounds).partitions[0]?.end, records.length)
      }).pipe(Effect.provide(server(scratch)))
    })
  )

  it.effect("rejects appends that meet a damaged page, and is not ready then", () =>
    Effect.gen(function* () {
      const { older, scratch } = yield* Killed
      rmSync(scratch, { recursive: true, force: true })
      cpSync(older, scratch, { recursive: true })
      const database = new DatabaseSync(join(scratch, "log.db"))
      const root = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'receipts'").get()?.rootpage
      database.close()
      flip("log.db", (Number(root) - 1) * 4_096, 3)(scratch)
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const error = yield* Effect.flip(
          log.append({ records: records.slice(0, 1), idempotency: { key: "new", digest: "d" } })
        )
        assert.strictEqual(error._tag, "LogUnavailable")
        assert.match(error.message, /its file is damaged/)
        assert.match((yield* Effect.flip(log.ready)).message, /its file is damaged/)
        const { positions } = yield* log.append({ records: records.slice(inDatabase, inDatabase + 1) })
        assert.deepStrictEqual(positions, [{ partition: 0, offset: inDatabase, count: 1 }])
      }).pipe(Effect.provide(server(scratch)))
    })
  )
})
