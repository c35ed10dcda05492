/** Processors as a user runs them: beside a stream, on another processor, killed, and changed. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { click, module, project } from "../support/derivedStreams.ts"
import { poll } from "../support/waiting.ts"

const workerOf = (cwd: string) => {
  const { pid } = JSON.parse(readFileSync(join(cwd, "data", "processors", "status.json"), "utf8"))
  assert(typeof pid === "number")
  return pid
}

it.live(
  "derived streams get their rows once, in the order of the log, whatever is killed when",
  () =>
    Effect.gen(function* () {
      const { cwd, floe, post, query, start } = yield* project
      let server = yield* start("server")
      yield* Effect.promise(() => server.printed(/listens on/))
      const refused = yield* post("/streams/sales/events", [click("a", 0)])
      assert.strictEqual(refused.status, 405)
      assert.include(yield* Effect.promise(() => refused.text()), "The processor only_sales writes the stream sales")

      const total = 60
      const send = (minute: number) =>
        post(
          "/streams/clicks/events",
          Array.from({ length: 500 }, (_, i) =>
            click(`v${i % 7}`, minute * 60 + (i * 59) / 500, i % 3 === 0 ? "sale" : "home")
          )
        )
      let processor = yield* start("processor")
      let sink = yield* start("sink")
      yield* Effect.promise(() => sink.printed(/The sink writes/))
      for (let minute = 0; minute < total; minute++) {
        assert.strictEqual((yield* send(minute)).status, 200)
        if (minute % 12 !== 11) continue
        const status = () => {
          try {
            return workerOf(cwd)
          } catch {
            return undefined
          }
        }
        yield* poll(Effect.sync(status), (pid) => pid !== undefined)
        // Only the worker first, which its parent starts again; then both.
        if (minute < 20) process.kill(workerOf(cwd), "SIGKILL")
        else {
          const worker = workerOf(cwd)
          processor.signal("SIGKILL")
          try {
            process.kill(worker, "SIGKILL")
          } catch {
            // Its parent's end has ended it.
          }
          yield* Effect.promise(() => processor.ended)
          processor = yield* start("processor")
        }
        if (minute === 23 || minute === 47) {
          sink.signal("SIGKILL")
          yield* Effect.promise(() => sink.ended)
          sink = yield* start("sink")
        }
        if (minute === 35 || minute === 47) {
          server.signal("SIGKILL")
          yield* Effect.promise(() => server.ended)
          server = yield* start("server")
          yield* Effect.promise(() => server.printed(/listens on/))
        }
      }
      assert.strictEqual((yield* post("/streams/clicks/events", [click("z", total * 60 + 5)])).status, 200)
      // 167 of 500 clicks are sales; those of visitor v are at 3k with (3k mod 7) = v.
      const expected = Array.from({ length: total }, (_, minute) =>
        Array.from({ length: 7 }, (_, visitor) => {
          const indices = Array.from({ length: 500 }, (_, i) => i).filter((i) => i % 3 === 0 && i % 7 === visitor)
          return [`v${visitor}`, click("", minute * 60).at, indices.length]
        })
      ).flat()
      const rows = `SELECT visitor, strftime(minute AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.000Z') AS minute, sales FROM per_minute ORDER BY 2, 1`
      const found = yield* poll(
        Effect.map(query(rows), (all: ReadonlyArray<Record<string, unknown>>) => all),
        ({ length }) => length >= expected.length
      )
      assert.deepStrictEqual(
        found.map(({ minute, sales, visitor }) => [visitor, minute, Number(sales)]),
        expected
      )
      const audited = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
    }),
  120_000
)

it.live(
  "a function that throws stops its processor alone, with a sentence; corrected, it goes on",
  () =>
    Effect.gen(function* () {
      const { floe, post, query, start, write } = yield* project
      write(
        module({
          add: `(s, c) => { if (c.visitor === "bad") throw new Error("no " + c.visitor); return { sales: s.sales + 1n, first: s.first } }`
        })
      )
      const first = yield* start("standalone")
      yield* Effect.promise(() => first.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", [click("a", 0), click("bad", 1)])).status, 200)
      yield* Effect.promise(() =>
        first.printed(
          /ERROR The processor per_minute stopped at sales\/0\/1: add throws no bad\. Correct it and start again/
        )
      )
      assert.strictEqual((yield* post("/streams/clicks/events", [click("b", 2)])).status, 200)
      yield* Effect.promise(() => first.printed(/committed .* up to sales\/0\/2/))
      const tested = yield* floe("processor", "test", "per_minute", "--from-log")
      assert.strictEqual(
        tested.out,
        "per_minute: 0 rows are the same.\nper_minute_late: 0 rows are the same.\nCompared up to sales/0/0, where per_minute is: 3 later events of sales did not run.\n"
      )
      const audited = yield* floe("audit", "--stream", "per_minute")
      assert.deepStrictEqual([audited.code, audited.err], [0, ""])
      assert.include(audited.out, "per_minute has no rows yet, and so no table.\n\nThe processor per_minute, run again")
      first.signal("SIGTERM")
      assert.strictEqual((yield* Effect.promise(() => first.ended)).code, 0)

      write(module())
      const second = yield* start("standalone")
      yield* Effect.promise(() => second.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", [click("c", 65)])).status, 200)
      yield* Effect.promise(() => second.printed(/committed 3 rows up to per_minute\/0\/2/))
      assert.deepStrictEqual(yield* query("SELECT visitor, sales::INT AS sales FROM per_minute ORDER BY 1"), [
        { visitor: "a", sales: 1 },
        { visitor: "b", sales: 1 },
        { visitor: "bad", sales: 1 }
      ])
      second.signal("SIGTERM")
      yield* Effect.promise(() => second.ended)

      write(module({ size: "2 minutes" }))
      const third = yield* start("standalone")
      yield* Effect.promise(() =>
        third.printed(
          /ERROR The processor per_minute cannot go on from its state: its window was \{"type":"tumbling","size":60000\} and is \{"type":"tumbling","size":120000\} now\./
        )
      )
    }),
  120_000
)

it.live(
  "the state of a processor can be queried, and a backup has it, so that a restored folder goes on",
  () =>
    Effect.gen(function* () {
      const { floe, post, query, queryIn, start, startIn } = yield* project
      const first = yield* start("standalone")
      yield* Effect.promise(() => first.printed(/Floe runs at/))
      const clicks = [click("a", 0), click("a", 1), click("b", 2, "home"), click("c", 65), click("b", 66)]
      assert.strictEqual((yield* post("/streams/clicks/events", clicks)).status, 200)
      yield* Effect.promise(() => first.printed(/committed 1 row up to per_minute\/0\/0/))
      const open = [
        { key: "b", window_start: "2026-11-27 10:01:00+00", sales: 1, first: "2026-11-27T10:01:06.000000Z" },
        { key: "c", window_start: "2026-11-27 10:01:00+00", sales: 1, first: "2026-11-27T10:01:05.000000Z" }
      ]
      const state =
        "SELECT key, window_start::VARCHAR AS window_start, sales::INT AS sales, first FROM per_minute_state ORDER BY key"
      assert.deepStrictEqual(yield* query(state), open)
      assert.deepStrictEqual(
        (yield* query("SHOW TABLES")).map(({ name }: { name: string }) => name),
        ["clicks", "per_minute", "per_minute_late", "sales", "weather"]
      )
      const status = JSON.parse((yield* floe("processor", "status", "--json")).out)
      assert.deepStrictEqual(
        status.map((one: Record<string, unknown>) => [
          one.processor,
          one.state,
          one.lag,
          one.watermark,
          one.open,
          one.rows
        ]),
        [
          ["only_sales", "running", 0, null, 0, 4],
          ["per_minute", "running", 0, "2026-11-27T10:01:01.000Z", 2, 1]
        ]
      )
      const described = yield* floe("processor", "describe", "per_minute")
      assert.match(described.out, /^kind +tumbling 1 minute\nreads +sales; sales\/0\/4 is next\n/m)
      const unknown = yield* floe("processor", "describe", "per_minut")
      assert.deepStrictEqual(
        [unknown.code, unknown.err],
        [1, "There is no processor per_minut; did you mean per_minute?\n"]
      )

      const saved = yield* floe("backup", "saved")
      assert.strictEqual(saved.code, 0, saved.err)
      first.signal("SIGTERM")
      yield* Effect.promise(() => first.ended)
      const stopped = JSON.parse((yield* floe("processor", "list", "--json")).out)
      assert.deepStrictEqual(
        stopped.map(({ state }: { state: string }) => state),
        ["not running", "not running"]
      )

      const restored = yield* floe("restore", "saved", "--into", "again")
      assert.strictEqual(restored.code, 0, restored.err)
      assert.deepStrictEqual(yield* queryIn("again", state), open)
      const second = yield* startIn("again")
      yield* Effect.promise(() => second.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", [click("a", 126)])).status, 200)
      yield* Effect.promise(() => second.printed(/committed 2 rows up to per_minute\/0\/2/))
      assert.deepStrictEqual(
        yield* queryIn(
          "again",
          "SELECT visitor, minute::VARCHAR AS minute, sales::INT AS sales FROM per_minute ORDER BY 2, 1"
        ),
        [
          { visitor: "a", minute: "2026-11-27 10:00:00+00", sales: 2 },
          { visitor: "b", minute: "2026-11-27 10:01:00+00", sales: 1 },
          { visitor: "c", minute: "2026-11-27 10:01:00+00", sales: 1 }
        ]
      )
    }),
  120_000
)

it.live(
  "a stream that is changed while its processor runs stops it until it is started with the changed module",
  () =>
    Effect.gen(function* () {
      const { floe, post, query, start, write } = yield* project
      const first = yield* start("standalone")
      yield* Effect.promise(() => first.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", [click("a", 0)])).status, 200)
      yield* Effect.promise(() => first.printed(/committed 1 row up to sales\/0\/0/))
      const changed = module().replaceAll(
        "page: Schema.String }",
        "page: Schema.String, price: Schema.optionalKey(Column.long) }"
      )
      write(changed)
      const applied = yield* floe("streams", "apply")
      assert.strictEqual(applied.code, 0, applied.err)
      const priced = { ...click("a", 1), price: 5 }
      const accepted = post("/streams/clicks/events", [priced])
      yield* poll(
        Effect.map(accepted, ({ status }) => status),
        (status) => status === 200
      )
      yield* Effect.promise(() =>
        first.printed(
          /ERROR The processor only_sales stopped because its input clicks has changed from version 1 to 2 since it started\. Start again/
        )
      )
      first.signal("SIGTERM")
      yield* Effect.promise(() => first.ended)
      const second = yield* start("standalone")
      yield* Effect.promise(() => second.printed(/committed 1 row up to sales\/0\/1/))
      assert.deepStrictEqual(
        yield* query("SELECT visitor, price::VARCHAR AS price FROM sales ORDER BY price NULLS FIRST"),
        [
          { visitor: "a", price: null },
          { visitor: "a", price: "5" }
        ]
      )
    }),
  120_000
)

it.live(
  "the built-in processor shows the hour of weather that is open",
  () =>
    Effect.gen(function* () {
      const { floe, get, query, startWithBuiltIn, write } = yield* project
      write(`import { Stream } from "floe"
import { Schema } from "effect"
export const Other = Stream.make("other", { schema: Schema.Struct({ a: Schema.String }) })`)
      const program = yield* startWithBuiltIn
      yield* Effect.promise(() => program.printed(/created the stream weather_hourly_late/))
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      for (const temperature of ["70", "80", "60"]) {
        assert.strictEqual((yield* get(`/log?city=Rome&temperature=${temperature}`)).status, 200)
      }
      const sum =
        "SELECT key, sum(readings)::INT AS readings, min(min) AS min, max(max) AS max FROM (SELECT key, readings, min, max FROM weather_hourly_state UNION ALL SELECT city, readings, min, max FROM weather_hourly) WHERE key = 'Rome' GROUP BY key"
      const rows = yield* poll(query(sum), (rows) => rows.length === 1 && rows[0].readings === 3)
      assert.deepStrictEqual(rows, [{ key: "Rome", readings: 3, min: 60, max: 80 }])
      const past = JSON.parse((yield* floe("processor", "at", "weather_hourly", "--offset", "2", "--json")).out)
      assert.deepStrictEqual(
        past.map(({ key }: { key: string }) => key),
        ["Rome"]
      )
      const again = yield* floe("processor", "test", "weather_hourly", "--from-log")
      assert.deepStrictEqual([again.code, again.err], [0, ""])
      assert.match(
        again.out,
        /^weather_hourly: \d rows? (is|are) the same\.\nweather_hourly_late: 0 rows are the same\.\n$/
      )
    }),
  120_000
)
