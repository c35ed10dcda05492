import { execFileSync, spawn } from "node:child_process"
import { existsSync, renameSync, statSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Memory from "../../layers/log/memory/EventLog.ts"
import * as Sqlite from "../../layers/log/sqlite/EventLog.ts"
import * as SqliteReader from "../../layers/log/sqlite/EventLogReader.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import { temporary, temporaryFolder } from "../support/dataFolder.ts"
import * as wallClock from "../support/wallClock.ts"
import { eventLogContract, everything, positionsOf, record } from "./eventLogContract.ts"
import { streamAsWeather } from "./streamAsWeather.ts"

eventLogContract("EventLog in memory", Memory.layer)
eventLogContract("EventLog on SQLite", Sqlite.layer.pipe(Layer.provide(temporary)))
eventLogContract("A stream of EventLog in memory", streamAsWeather("readings", Memory.layer))
eventLogContract(
  "A stream of EventLog on SQLite",
  streamAsWeather("readings", Sqlite.layer.pipe(Layer.provide(temporary)))
)

const server = (folder: string) => Sqlite.layer.pipe(Layer.provide(at(folder)))
const reader = (folder: string) => SqliteReader.layer.pipe(Layer.provide(at(folder)))

const cities = Effect.map(everything, (events) => events.map((event) => event.record.city))

for (const [name, log] of [
  ["in memory", Memory.layer],
  ["on SQLite", Sqlite.layer.pipe(Layer.provide(temporary))],
  ["of a stream in memory", streamAsWeather("readings", Memory.layer)],
  ["of a stream on SQLite", streamAsWeather("readings", Sqlite.layer.pipe(Layer.provide(temporary)))]
] as const) {
  layer(log)(`Idempotency keys ${name}`, (it) => {
    it.effect("are kept for 24 hours and not longer", () =>
      Effect.gen(function* () {
        const log = yield* EventLog
        const append = log.append({ records: [record("Daily")], idempotency: { key: "daily", digest: "d1" } })
        const first = yield* append
        yield* TestClock.adjust("1439 minutes")
        assert.deepStrictEqual(positionsOf(yield* append), positionsOf(first))
        yield* TestClock.adjust("1 minute")
        const second = yield* append
        assert.isFalse(second.repeated)
        assert.notDeepEqual(positionsOf(second), positionsOf(first))
        assert.isTrue((yield* append).repeated)
      })
    )
  })
}

describe("EventLog on SQLite", () => {
  it.effect("keys are kept for 24 hours of elapsed time, though the clock jumps ahead by more", () =>
    Effect.gen(function* () {
      const { step } = yield* wallClock.WallClock
      const log = yield* EventLog
      const append = log.append({ records: [record("Daily")], idempotency: { key: "daily", digest: "d1" } })
      const first = yield* append
      yield* step(25 * 3_600_000)
      // What is appended without a key prunes the old ones.
      yield* log.append({ records: [record("Other")] })
      yield* TestClock.adjust("23 hours")
      assert.deepStrictEqual(yield* append, { ...first, repeated: true })
      yield* TestClock.adjust("1 hour")
      assert.isFalse((yield* append).repeated)
    }).pipe(Effect.provide(Sqlite.layer.pipe(Layer.provide(temporary), Layer.provideMerge(wallClock.layer))))
  )

  it.effect("continues after a restart: positions, id, keys and their first hour", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const idempotency = { key: "kept", digest: "d1" }
      const [first, logId] = yield* Effect.gen(function* () {
        const log = yield* EventLog
        const appended = yield* log.append({ records: [record("Oslo"), record("Lima")], idempotency })
        return [appended, (yield* (yield* EventLogReader).bounds).logId] as const
      }).pipe(Effect.provide(server(folder)))
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const again = yield* log.append({ records: [record("Oslo", "2026-01-08-15"), record("Lima")], idempotency })
        assert.deepStrictEqual(again, { ...first, repeated: true })
        const other = yield* Effect.flip(
          log.append({ records: [record("Pune")], idempotency: { key: "kept", digest: "d2" } })
        )
        assert.strictEqual(other._tag, "KeyReused")
        const next = yield* log.append({ records: [record("Pune")] })
        assert.deepStrictEqual(next.positions, [{ partition: 0, offset: 2, count: 1 }])
        assert.deepStrictEqual(yield* cities, ["Oslo", "Lima", "Pune"])
        assert.strictEqual((yield* (yield* EventLogReader).bounds).logId, logId)
      }).pipe(Effect.provide(server(folder)))
    })
  )

  it.effect("rejects a second server on the same data, with a sentence", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Layer.build(server(folder))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Layer.fresh(server(folder)))))
      assert.strictEqual(error._tag, "LockHeld")
      assert.match(error.message, /^Another logging server is running on this data/)
    })
  )

  it.live("is read by two readers on connections of their own while one writes", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(server(folder)), EventLog)
      yield* log.append({ records: [record("City 0")] })
      const started = yield* Effect.forEach([1, 2], () => Deferred.make<void>())
      const fibers = yield* Effect.forEach(started, (deferred) =>
        Effect.gen(function* () {
          const log = Context.get(yield* Layer.build(Layer.fresh(reader(folder))), EventLogReader)
          return yield* log.read({ partition: 0, offset: 0 }).pipe(
            Stream.tap(() => Deferred.succeed(deferred, undefined)),
            Stream.take(201),
            Stream.map((event) => event.record.city),
            Stream.runCollect
          )
        }).pipe(Effect.forkChild)
      )
      yield* Effect.forEach(started, Deferred.await)
      for (let i = 1; i <= 200; i++) yield* log.append({ records: [record(`City ${i}`)] })
      const expected = Array.from({ length: 201 }, (_, i) => `City ${i}`)
      for (const fiber of fibers) assert.deepStrictEqual([...(yield* Fiber.join(fiber))], expected)
    })
  )

  it.effect("reports to a reader that there is no log yet, and is readable once it exists", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(reader(folder)), EventLogReader)
      const error = yield* Effect.flip(log.bounds)
      assert.strictEqual(error._tag, "LogUnavailable")
      assert.match(error.message, /there is no log yet at .*log\.db; start the logging server\.$/)
      assert(error._tag === "LogUnavailable")
      assert.strictEqual(error.reason._tag, "LogMissing")
      const early = yield* Effect.flip(Stream.runDrain(log.read({ partition: 0, offset: 0 })))
      assert.strictEqual(early._tag, "LogUnavailable")
      const writer = Context.get(yield* Layer.build(server(folder)), EventLog)
      yield* writer.append({ records: [record("Oslo")] })
      assert.strictEqual((yield* log.bounds).partitions[0]?.end, 1)
    })
  )

  it.live("stops a reader whose log was replaced underneath it, and gives the new one to later readers", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const other = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(reader(folder)), EventLogReader)
      const fill = (path: string) =>
        Effect.gen(function* () {
          yield* (yield* EventLog).append({ records: [record("Oslo"), record("Lima")] })
          return yield* (yield* EventLogReader).bounds
        }).pipe(Effect.provide(server(path)))
      const before = yield* fill(folder)
      const after = yield* fill(other)
      const caughtUp = yield* Deferred.make<void>()
      const fiber = yield* log.read({ partition: 0, offset: 0 }).pipe(
        Stream.tap(({ position }) => (position.offset === 1 ? Deferred.succeed(caughtUp, undefined) : Effect.void)),
        Stream.runDrain,
        Effect.flip,
        Effect.forkChild
      )
      yield* Deferred.await(caughtUp)
      for (const file of ["log.end", "log.db"]) renameSync(join(other, file), join(folder, file))
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "LogCorrupt")
      if (error._tag === "LogCorrupt") assert.deepStrictEqual(error.position, { partition: 0, offset: 2 })
      assert.include(error.message, before.logId)
      assert.deepStrictEqual(yield* log.bounds, after)
    })
  )

  it.effect("rejects appends once its file was moved away, as they would be lost", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(server(folder)), EventLog)
      yield* log.append({ records: [record("Oslo")] })
      renameSync(join(folder, "log.db"), join(folder, "moved.db"))
      const error = yield* Effect.flip(log.append({ records: [record("Lima")] }))
      assert.strictEqual(error._tag, "LogUnavailable")
      assert.strictEqual((yield* Effect.flip(log.ready))._tag, "LogUnavailable")
      renameSync(join(folder, "moved.db"), join(folder, "log.db"))
      yield* log.ready
      yield* log.append({ records: [record("Pune")] })
    })
  )

  it.effect("acknowledges what waits when it is closed, rejects what comes later, and leaves no WAL", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const scope = yield* Scope.make()
      const log = Context.get(yield* Layer.buildWithScope(server(folder), scope), EventLog)
      const waiting = yield* Effect.forEach([1, 2, 3], (i) =>
        Effect.forkChild(log.append({ records: [record(`Late ${i}`)] }), { startImmediately: true })
      )
      yield* Scope.close(scope, Exit.void)
      for (const fiber of waiting) assert.isFalse((yield* Fiber.join(fiber)).repeated)
      const error = yield* Effect.flip(log.append({ records: [record("Too late")] }))
      assert.strictEqual(error._tag, "LogUnavailable")
      assert.isFalse(existsSync(join(folder, "log.db-wal")))
      assert.deepStrictEqual(yield* cities.pipe(Effect.provide(reader(folder))), ["Late 1", "Late 2", "Late 3"])
    })
  )

  it.effect("rejects when too many records wait for the disk, and logs none of what it rejected", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const large = Array.from({ length: 10_000 }, () => record("Large"))
        const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], () =>
          Effect.forkChild(log.append({ records: large }), { startImmediately: true })
        )
        const error = yield* Effect.flip(log.append({ records: [record("One more")] }))
        assert.strictEqual(error._tag, "LogUnavailable")
        for (const fiber of fibers) yield* Fiber.join(fiber)
        yield* log.append({ records: [record("Room again")] })
        const all = yield* cities
        assert.strictEqual(all.length, 50_001)
        assert.strictEqual(all.at(-1), "Room again")
      }).pipe(Effect.provide(server(folder)))
    })
  )

  it.effect("rejects while another program holds its file, is not ready then, and resumes by itself", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(server(folder)), EventLog)
      yield* log.append({ records: [record("Before")] })
      const intruder = new DatabaseSync(join(folder, "log.db"))
      yield* Effect.addFinalizer(() => Effect.sync(() => intruder.close()))
      intruder.exec("BEGIN IMMEDIATE")
      const error = yield* Effect.flip(log.append({ records: [record("Refused")] }))
      assert.strictEqual(error._tag, "LogUnavailable")
      assert.match(error.message, /another program holds its file/)
      assert.strictEqual((yield* Effect.flip(log.ready))._tag, "LogUnavailable")
      intruder.exec("ROLLBACK")
      yield* log.ready
      const { positions } = yield* log.append({ records: [record("After")] })
      assert.deepStrictEqual(positions, [{ partition: 0, offset: 1, count: 1 }])
    })
  )

  it.effect("removes keys that have expired, in pieces", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const log = Context.get(yield* Layer.build(server(folder)), EventLog)
      const observer = new DatabaseSync(join(folder, "log.db"), { readOnly: true })
      yield* Effect.addFinalizer(() => Effect.sync(() => observer.close()))
      const receipts = observer.prepare("SELECT count(*) AS count FROM receipts")
      yield* Effect.forEach(
        Array.from({ length: 250 }, (_, i) => `key ${i}`),
        (key) => log.append({ records: [record("Keyed")], idempotency: { key, digest: "d" } }),
        { concurrency: "unbounded" }
      )
      yield* TestClock.adjust("24 hours")
      const left = []
      for (let i = 0; i < 4; i++) {
        yield* log.append({ records: [record("Later")] })
        left.push(receipts.get()?.count)
      }
      assert.deepStrictEqual(left, [150, 50, 0, 0])
    })
  )
})

/** The lines that a process of appendingProcess.ts writes until it ends. */
const appending = (folder: string, fibers: number, before: ReadonlyArray<string> = []) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const [command = "", ...args] = [...before, process.execPath]
        const script = fileURLToPath(import.meta.resolve("./appendingProcess.ts"))
        return spawn(command, [...args, script, folder, String(fibers)], { stdio: ["ignore", "pipe", "inherit"] })
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    (child) => ({
      child,
      lines: Stream.fromAsyncIterable(createInterface(child.stdout), (cause) => cause)
    })
  )

const acknowledged = (lines: ReadonlyArray<string>) =>
  lines.flatMap((line) => {
    const [, offset, city] = /^ok (\d+) (.*)$/.exec(line) ?? []
    return city === undefined ? [] : [{ offset: Number(offset), city }]
  })

describe("EventLog on SQLite, in a process of its own", () => {
  it.live("finds after kill -9 everything that it acknowledged, at the reported position", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { child, lines } = yield* appending(folder, 64)
      const output: Array<string> = []
      yield* Stream.runForEach(lines, (line) => {
        output.push(line)
        return Effect.sync(() => output.length === 3_000 && child.kill("SIGKILL"))
      })
      const acks = acknowledged(output)
      assert.isAtLeast(acks.length, 3_000)
      assert.isAbove(statSync(join(folder, "log.db-wal")).size, 0)
      const found = yield* cities.pipe(Effect.provide(reader(folder)))
      for (const { offset, city } of acks) assert.strictEqual(found[offset], city)
      assert.strictEqual(new Set(found).size, found.length)
      assert.deepStrictEqual(yield* cities.pipe(Effect.provide(server(folder))), found)
    })
  )

  const limited = process.platform === "linux" && existsSync("/usr/bin/prlimit")
  it.live.skipIf(!limited)("rejects when the disk is full, is not ready then, and resumes by itself", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { child, lines } = yield* appending(folder, 1, ["prlimit", "--fsize=400000:"])
      const output: Array<string> = []
      let after = 0
      yield* Stream.runForEach(lines, (line) =>
        Effect.sync(() => {
          if (line === "unready" && !output.includes("unready")) {
            execFileSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited:"])
          }
          output.push(line)
          if (output.includes("unready") && line.startsWith("ok ") && ++after === 50) child.kill("SIGKILL")
        })
      )
      const acks = acknowledged(output)
      const rejected = output
        .filter((line) => line.startsWith("rejected "))
        .map((line) => line.slice("rejected ".length))
      assert.isAbove(rejected.length, 0)
      assert.isAbove(output.lastIndexOf(`ok ${acks.at(-1)?.offset} ${acks.at(-1)?.city}`), output.indexOf("unready"))
      const found = yield* cities.pipe(Effect.provide(server(folder)))
      for (const { offset, city } of acks) assert.strictEqual(found[offset], city)
      for (const city of rejected) assert.notInclude(found, city)
      assert.isAtMost(found.length, acks.length + 1)
    })
  )
})
