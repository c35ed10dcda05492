import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Sqlite from "../../../layers/log/sqlite/EventLog.ts"
import * as SqliteReader from "../../../layers/log/sqlite/EventLogReader.ts"
import * as StreamsLayer from "../../../layers/log/sqlite/Streams.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { EventLog, EventLogReader, type Rejected } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import * as wallClock from "../../support/wallClock.ts"
import { record } from "../eventLogContract.ts"

const server = (folder: string) => Sqlite.layer.pipe(Layer.provide(at(folder)))
const reader = (folder: string) => Layer.fresh(SqliteReader.layer.pipe(Layer.provide(at(folder))))
const streams = (folder: string) => Layer.fresh(StreamsLayer.layer.pipe(Layer.provide(at(folder))))

const event = (i: number) => `{"device":"d${i}","celsius":${i}}`

const append = Effect.fnUntraced(function* (
  stream: string,
  records: ReadonlyArray<string>,
  rest: { readonly key?: string; readonly digest?: string; readonly rejected?: ReadonlyArray<Rejected> } = {}
) {
  const { key, digest = "d", rejected } = rest
  const idempotency = key === undefined ? undefined : { key, digest }
  return yield* (yield* EventLog).append({ stream, schemaVersion: 1, records, rejected, idempotency })
})

const eventsOf = Effect.fnUntraced(function* (stream: string, from = 0) {
  const log = (yield* EventLogReader).of(stream)
  const events = yield* Stream.runCollect(log.read({ partition: 0, offset: from }, { until: "end" }))
  return events.map((event) => event.record)
})

const definition = (name: string, version = 1): AppliedStream => ({
  definition: { name, columns: [{ name: "celsius", type: "double", required: true }], key: null, partitionBy: [] },
  version,
  ids: { celsius: 1 },
  lastId: 1,
  appliedAt: 0
})

const deadLettersIn = (folder: string) => {
  const database = new DatabaseSync(join(folder, "log.db"), { readOnly: true })
  try {
    return database
      .prepare("SELECT stream, value, reason FROM dead_letters ORDER BY id")
      .all()
      .map((row) => ({ ...row }))
  } finally {
    database.close()
  }
}

/** Copies a folder while its server runs: what a killed server leaves. */
const killed = Effect.fnUntraced(function* (fill: Effect.Effect<unknown, unknown, EventLog>) {
  const root = yield* temporaryFolder
  const [live, copy] = [join(root, "live"), join(root, "killed")] as const
  yield* Effect.gen(function* () {
    yield* Effect.orDie(fill)
    cpSync(live, copy, { recursive: true })
  }).pipe(Effect.provide(server(live)))
  return copy
})

describe("Streams beside weather in one log", () => {
  it.effect("share a transaction, and each counts its own offsets, also after a restart", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const observer = new DatabaseSync(join(folder, "log.db"), { readOnly: true })
        const version = observer.prepare("PRAGMA data_version")
        yield* Effect.all([append("readings", [event(0)]), append("clicks", [event(9)])])
        const before = version.get()?.data_version
        const appended = yield* Effect.all(
          [
            append("readings", [event(1), event(2)]),
            log.append({ records: [record("Oslo")] }),
            append("clicks", [event(8)]),
            append("readings", [event(3)])
          ],
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          appended.map(({ positions }) => positions),
          [
            [{ partition: 0, offset: 1, count: 2 }],
            [{ partition: 0, offset: 0, count: 1 }],
            [{ partition: 0, offset: 1, count: 1 }],
            [{ partition: 0, offset: 3, count: 1 }]
          ]
        )
        assert.strictEqual(Number(version.get()?.data_version) - Number(before), 1)
        observer.close()
      }).pipe(Effect.provide(server(folder)))
      yield* Effect.gen(function* () {
        assert.deepStrictEqual((yield* append("clicks", [event(7)])).positions[0]?.offset, 2)
        assert.deepStrictEqual(yield* eventsOf("readings"), [event(0), event(1), event(2), event(3)])
        assert.deepStrictEqual(yield* eventsOf("clicks"), [event(9), event(8), event(7)])
        assert.deepStrictEqual(yield* eventsOf("weather"), [record("Oslo")])
        assert.deepStrictEqual(yield* eventsOf("orders"), [])
      }).pipe(Effect.provide(server(folder)))
    })
  )

  it.effect("have keys of their own", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const log = yield* EventLog
        const weather = { records: [record("Oslo")], idempotency: { key: "one", digest: "w" } }
        const both = yield* Effect.all([append("readings", [event(1)], { key: "one" }), log.append(weather)], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          both.map(({ repeated }) => repeated),
          [false, false]
        )
        assert.isFalse((yield* append("clicks", [event(1)], { key: "one" })).repeated)
        assert.isTrue((yield* append("readings", [event(1)], { key: "one" })).repeated)
        assert.strictEqual((yield* log.append(weather)).ts, "2026-01-08-14")
      }).pipe(Effect.provide(server(folder)))
    })
  )

  it.effect("wake their own readers only", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const log = (yield* EventLogReader).of("readings")
        const fiber = yield* log
          .read({ partition: 0, offset: 0 })
          .pipe(Stream.take(2), Stream.runCollect, Effect.forkChild({ startImmediately: true }))
        yield* append("clicks", [event(5)])
        yield* append("readings", [event(1)])
        yield* append("readings", [event(2)])
        const events = yield* Fiber.join(fiber)
        assert.deepStrictEqual(
          events.map((event) => event.record),
          [event(1), event(2)]
        )
      }).pipe(Effect.provide(server(folder)))
    })
  )
})

describe("Dead letters", () => {
  const rejected = [{ value: "{}", reason: "[0].celsius: is missing" }]

  it.effect("are kept with the events of the same append, and not twice for a repeated key", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        yield* append("readings", [event(1)], { rejected, key: "one" })
        assert.isTrue((yield* append("readings", [event(1)], { rejected, key: "one" })).repeated)
        assert.deepStrictEqual(yield* eventsOf("readings"), [event(1)])
        assert.deepStrictEqual(deadLettersIn(folder), [{ stream: "readings", ...rejected[0] }])
      }).pipe(Effect.provide(server(folder)))
    })
  )

  it.effect("may be all of an append, whose key then answers too, for 24 hours", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        const first = yield* append("readings", [], { rejected, key: "one" })
        assert.deepStrictEqual(first, { positions: [], repeated: false })
        assert.deepStrictEqual(yield* append("readings", [], { rejected, key: "one" }), {
          positions: [],
          repeated: true
        })
        const other = yield* Effect.flip(append("readings", [event(1)], { key: "one", digest: "other" }))
        assert.strictEqual(other._tag, "KeyReused")
        assert.strictEqual(deadLettersIn(folder).length, 1)
        yield* TestClock.adjust("24 hours")
        assert.isFalse((yield* append("readings", [event(1)], { key: "one", digest: "other" })).repeated)
      }).pipe(Effect.provide(server(folder)))
    })
  )

  it.effect("keep the key of such an append though the clock jumps ahead", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.gen(function* () {
        yield* append("readings", [], { rejected, key: "one" })
        yield* (yield* wallClock.WallClock).step(25 * 3_600_000)
        // Removes keys that have expired.
        yield* append("readings", [], { rejected, key: "two" })
        assert.isTrue((yield* append("readings", [], { rejected, key: "one" })).repeated)
        assert.strictEqual(deadLettersIn(folder).length, 2)
      }).pipe(Effect.provide(server(folder).pipe(Layer.provideMerge(wallClock.layer))))
    })
  )
})

describe("The high-water marks", () => {
  const both = Effect.gen(function* () {
    yield* (yield* EventLog).append({ records: [record("Oslo")] })
    yield* append("readings", [event(0), event(1)])
    yield* append(`a${"_".repeat(62)}`, [event(0)])
  })

  it.effect("name a stream whose newest events are gone", () =>
    Effect.gen(function* () {
      const folder = yield* killed(both)
      truncateSync(join(folder, "log.db-wal"), 0)
      const fromReader = yield* Effect.flip(eventsOf("readings").pipe(Effect.provide(reader(folder))))
      assert.match(
        fromReader.message,
        /the log of readings ends here, but the events before offset 2 were acknowledged/
      )
      const fromServer = yield* Effect.flip(Effect.scoped(Layer.build(Layer.fresh(server(folder)))))
      assert.match(fromServer.message, /were acknowledged/)
    })
  )

  it.effect("leave weather's line as it was, in slots that stay where they are", () =>
    Effect.gen(function* () {
      const folder = yield* killed(both)
      const before = readFileSync(join(folder, "log.end"), "latin1")
      assert.match(before.slice(0, 63), /^[0-9a-f-]{36} {16}1 [0-9a-f]{8}\n$/)
      assert.strictEqual(before.length, 3 * 128)
      yield* append("readings", [event(2)]).pipe(Effect.provide(server(folder)))
      const after = readFileSync(join(folder, "log.end"), "latin1")
      assert.strictEqual(after.slice(0, 128), before.slice(0, 128))
      assert.strictEqual(after.slice(256), before.slice(256))
      assert.notStrictEqual(after.slice(128, 256), before.slice(128, 256))
    })
  )

  it.effect("must exist beside a log with events of any stream", () =>
    Effect.gen(function* () {
      const folder = yield* killed(append("readings", [event(0)]))
      rmSync(join(folder, "log.end"))
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Layer.fresh(server(folder)))))
      assert.match(error.message, /log\.end is missing/)
      // The advice of that sentence.
      writeFileSync(join(folder, "log.end"), "")
      yield* append("readings", [event(1)]).pipe(Effect.provide(server(folder)))
      assert.deepStrictEqual(yield* eventsOf("readings").pipe(Effect.provide(reader(folder))), [event(0), event(1)])
    })
  )

  it.effect("of a torn slot do not hide that of another stream, and it is written again", () =>
    Effect.gen(function* () {
      const folder = yield* killed(both)
      const mark = readFileSync(join(folder, "log.end"))
      mark[128 + 100] = 0x58
      writeFileSync(join(folder, "log.end"), mark)
      assert.deepStrictEqual(yield* eventsOf("readings").pipe(Effect.provide(reader(folder))), [event(0), event(1)])
      yield* append("readings", [event(2)]).pipe(Effect.provide(server(folder)))
      const length = readFileSync(join(folder, "log.end")).length
      assert.strictEqual(length, mark.length)
    })
  )
})

describe("Streams on SQLite", () => {
  it.effect("are weather alone before there is a log, and where nothing was applied", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const all = Effect.flatMap(Streams, ({ all }) => all).pipe(Effect.provide(streams(folder)))
      assert.deepStrictEqual(yield* all, [weatherStream])
      yield* Layer.build(server(folder))
      assert.deepStrictEqual(yield* all, [weatherStream])
    })
  )

  it.effect("are recorded beside a running server, version by version, and read by name", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Layer.build(server(folder))
      yield* Effect.gen(function* () {
        const { all, find, history, record } = yield* Streams
        yield* record(definition("readings"))
        yield* record(definition("clicks"))
        yield* record(definition("readings", 2))
        assert.deepStrictEqual(
          (yield* all).map(({ definition, version }) => [definition.name, version]),
          [
            ["weather", 1],
            ["clicks", 1],
            ["readings", 2]
          ]
        )
        assert.deepStrictEqual(yield* history("readings"), [definition("readings"), definition("readings", 2)])
        assert.deepStrictEqual(yield* find("readings"), definition("readings", 2))
        const missing = yield* Effect.flip(find("reading"))
        assert.strictEqual(missing.message, "There is no stream reading; did you mean readings?")
        const twice = yield* Effect.flip(record(definition("readings", 2)))
        assert.match(twice.message, /version 2 of the stream readings cannot follow version 2/)
      }).pipe(Effect.provide(streams(folder)))
    })
  )

  it.effect("cannot be recorded where there is no log, with a sentence", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const error = yield* Effect.flip(
        Effect.flatMap(Streams, ({ record }) => record(definition("readings"))).pipe(Effect.provide(streams(folder)))
      )
      assert.match(error.message, /there is no log yet at .*; start the logging server\.$/)
    })
  )
})

describe("A damaged log of a stream", () => {
  it.live(
    "is right or broken for flipped bits of its database and its WAL, never shorter and never different",
    () =>
      Effect.gen(function* () {
        const sent = Array.from({ length: 300 }, (_, i) => event(i))
        const folder = yield* killed(
          Effect.forEach([0, 100, 200], (from) => append("readings", sent.slice(from, from + 100), { key: `${from}` }))
        )
        const outcomes = { right: 0, broken: 0 }
        for (const file of ["log.db", "log.db-wal"]) {
          const path = join(folder, file)
          const whole = readFileSync(path)
          // Primes, so that the flips hit every place of a page and every bit.
          for (let at = 13; at < whole.length; at += 1_009) {
            const flipped = Buffer.from(whole)
            flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8))
            writeFileSync(path, flipped)
            rmSync(join(folder, "log.db-shm"), { force: true })
            const read = yield* eventsOf("readings").pipe(Effect.provide(reader(folder)), Effect.result)
            if (Result.isSuccess(read)) {
              assert.deepStrictEqual(read.success, sent, `${file} ${at}`)
              outcomes.right++
            } else {
              assert.strictEqual(read.failure._tag, "LogCorrupt", `${file} ${at}: ${read.failure.message}`)
              outcomes.broken++
            }
          }
          writeFileSync(path, whole)
        }
        assert.isAbove(outcomes.broken, 10)
        assert.isAbove(outcomes.right, 10)
      }),
    60_000
  )
})
