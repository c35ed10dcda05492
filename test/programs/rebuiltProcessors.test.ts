/** Processors that run again over the log: compared, shown as of the past, rebuilt, paused, and ended when they hang. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { click, module, project } from "../support/derivedStreams.ts"
import { poll } from "../support/waiting.ts"

const rows = "SELECT visitor, minute::VARCHAR AS minute, sales::INT AS sales FROM per_minute ORDER BY 2, 1"
const doubled = module({ add: "(s, c) => ({ sales: s.sales + 2n, first: s.first || c.at })" })

const clicks = [click("a", 0), click("a", 1), click("b", 2), click("x", 3, "home"), click("c", 65), click("c", 130)]
const once = [
  { visitor: "a", minute: "2026-11-27 10:00:00+00", sales: 2 },
  { visitor: "b", minute: "2026-11-27 10:00:00+00", sales: 1 },
  { visitor: "c", minute: "2026-11-27 10:01:00+00", sales: 1 }
]
const twice = once.map((row) => ({ ...row, sales: 2 * row.sales }))

/** A program that has processed the clicks, and their rows are in the table. */
const running = Effect.fnUntraced(function* ({ post, query, start }: Effect.Success<typeof project>) {
  const program = yield* start("standalone")
  yield* Effect.promise(() => program.printed(/Floe runs at/))
  assert.strictEqual((yield* post("/streams/clicks/events", clicks)).status, 200)
  assert.deepStrictEqual(yield* poll(query(rows), (rows) => rows.length === 3), once)
  return program
})

it.live(
  "new code is compared with the log, shown as of the past, and rebuilt with its table while everything runs",
  () =>
    Effect.gen(function* () {
      const made = yield* project
      const { floe, post, query, write } = made
      const program = yield* running(made)

      const same = yield* floe("processor", "test", "per_minute", "--from-log")
      assert.deepStrictEqual(
        [same.code, same.err, same.out],
        [0, "", "per_minute: 3 rows are the same.\nper_minute_late: 0 rows are the same.\n"]
      )
      const past = yield* floe("processor", "at", "per_minute", "--offset", "3", "--json")
      assert.deepStrictEqual(
        JSON.parse(past.out),
        [
          ["a", "2", "0"],
          ["b", "1", "2"]
        ].map(([key, sales, second]) => ({
          key,
          window_start: "2026-11-27T10:00:00.000000Z",
          window_end: "2026-11-27T10:01:00.000000Z",
          sales,
          first: `2026-11-27T10:00:0${second}.000000Z`
        }))
      )
      const audited = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
      assert.include(audited.out, "run again over sales up to sales/0/5:\nper_minute: 3 rows are the same.\n")

      write(doubled)
      const changed = yield* floe("processor", "test", "per_minute", "--from-log", "--json")
      const [output] = JSON.parse(changed.out).streams
      assert.deepStrictEqual([output.same, output.added, output.removed, output.examples.length], [0, 3, 3, 6])
      const differing = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(differing.code, 1)
      assert.include(differing.err, "run floe processor rebuild per_minute")

      const rebuilt = yield* floe("processor", "rebuild", "per_minute")
      assert.deepStrictEqual(
        [rebuilt.code, rebuilt.err, rebuilt.out],
        [0, "", "Rebuilt: per_minute. In place: default.per_minute.\n"]
      )
      assert.deepStrictEqual(yield* query(rows), twice)
      const since = new Date().toISOString()
      // The program goes on from the new state, with the new code.
      assert.strictEqual((yield* post("/streams/clicks/events", [click("d", 131), click("d", 200)])).status, 200)
      const more = [
        ...twice,
        { visitor: "c", minute: "2026-11-27 10:02:00+00", sales: 2 },
        { visitor: "d", minute: "2026-11-27 10:02:00+00", sales: 2 }
      ]
      assert.deepStrictEqual(yield* poll(query(rows), (rows) => rows.length === 5), more)
      const again = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(again.code, 0, again.out + again.err)
      write(module())
      const recent = yield* floe("processor", "test", "per_minute", "--from-log", "--from", since, "--json")
      assert.deepInclude(JSON.parse(recent.out).streams[0], { same: 0, added: 2, removed: 2, firstAt: once.length })
      assert.notInclude(program.output(), "ERROR")
    }),
  120_000
)

it.live(
  "a rebuild brings in another window with nothing running, and takes along what reads the processor",
  () =>
    Effect.gen(function* () {
      const made = yield* project
      const { floe, post, query, start, write } = made
      const program = yield* running(made)
      program.signal("SIGTERM")
      yield* Effect.promise(() => program.ended)
      write(module({ size: "2 minutes" }))
      const rebuilt = yield* floe("processor", "rebuild", "only_sales")
      assert.deepStrictEqual(
        [rebuilt.code, rebuilt.err, rebuilt.out],
        [
          0,
          "",
          "Rebuilt: only_sales, with per_minute, which reads what it writes. In place: default.per_minute, default.sales.\n"
        ]
      )
      assert.deepStrictEqual(yield* query(rows), [
        { visitor: "a", minute: "2026-11-27 10:00:00+00", sales: 2 },
        { visitor: "b", minute: "2026-11-27 10:00:00+00", sales: 1 },
        { visitor: "c", minute: "2026-11-27 10:00:00+00", sales: 1 }
      ])
      const restarted = yield* start("standalone")
      yield* Effect.promise(() => restarted.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", [click("e", 250)])).status, 200)
      yield* poll(query(rows), (rows) => rows.length === 4)
      const audited = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
      assert.notInclude(restarted.output(), "ERROR")
    }),
  120_000
)

it.live(
  "a rebuild that is killed at any moment is completed by the same command",
  () =>
    Effect.gen(function* () {
      const made = yield* project
      const { cwd, floe, post, query, startFloe, write } = made
      yield* running(made)
      write(doubled)
      const state = join(cwd, "data", "processors", "rebuild", "state.json")
      const phases = ["computing", "pausing", "ready", "swapped"]
      const seen = (phase: string) => {
        if (phase === "computing") return existsSync(join(cwd, "data", "processors", "rebuild", "per_minute.db"))
        return existsSync(state) && readFileSync(state, "utf8").includes(phase)
      }
      for (const phase of phases) {
        const rebuild = yield* startFloe("processor", "rebuild", "per_minute")
        let isOver = false
        const over = rebuild.ended.then(() => {
          isOver = true
        })
        // A phase may be over before it is seen.
        yield* poll(
          Effect.sync(() => isOver || seen(phase)),
          (isSeen) => isSeen
        )
        rebuild.signal("SIGKILL")
        yield* Effect.promise(() => over)
        if (phase === "ready" && existsSync(state)) {
          const saved = yield* floe("backup", "saved")
          assert.include(saved.err, "run floe processor rebuild per_minute if it was interrupted")
        }
      }
      const rebuilt = yield* floe("processor", "rebuild", "per_minute")
      assert.strictEqual(rebuilt.code, 0, rebuilt.err)
      assert.deepStrictEqual(yield* query(rows), twice)
      assert.strictEqual((yield* post("/streams/clicks/events", [click("d", 200)])).status, 200)
      yield* poll(query(rows), (rows) => rows.length === 4)
      const audited = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
      const connectors = yield* floe("connector", "status", "iceberg-sink-per_minute", "--json")
      assert.include(connectors.out, "RUNNING")
      assert.isFalse(existsSync(join(cwd, "data", "processors", "rebuild")))
    }),
  120_000
)

it.live(
  "windows of a quiet stream close by the clock if they shall, and a rebuild closes them there again",
  () =>
    Effect.gen(function* () {
      const { floe, post, query, start, write } = yield* project
      write(module({ more: 'closeWhenIdle: "1 second",' }))
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", clicks.slice(0, 4))).status, 200)
      const accepted = new Date(Date.now() + 1).toISOString()
      assert.deepStrictEqual(yield* poll(query(rows), (rows) => rows.length === 2), once.slice(0, 2))
      const openAt = (time: string) =>
        Effect.map(floe("processor", "at", "per_minute", "--time", time, "--json"), ({ out }) =>
          JSON.parse(out).map(({ key }: { key: string }) => key)
        )
      assert.deepStrictEqual(yield* openAt(accepted), ["a", "b"])
      assert.deepStrictEqual(yield* openAt(new Date().toISOString()), [])
      // By now the watermark is that of the clock.
      assert.strictEqual((yield* post("/streams/clicks/events", [click("c", 65)])).status, 200)
      const late = "SELECT visitor FROM per_minute_late"
      assert.deepStrictEqual(yield* poll(query(late), (rows) => rows.length === 1), [{ visitor: "c" }])
      const audited = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
      const rebuilt = yield* floe("processor", "rebuild", "per_minute")
      assert.strictEqual(rebuilt.code, 0, rebuilt.err)
      assert.deepStrictEqual(yield* query(rows), once.slice(0, 2))
      assert.deepStrictEqual(yield* query(late), [{ visitor: "c" }])
      const again = yield* floe("audit", "--stream", "per_minute_late")
      assert.strictEqual(again.code, 0, again.out + again.err)
      // Now it reads one more row from before that.
      write(module({ more: 'closeWhenIdle: "1 second",' }).replace('c.page === "sale"', "true"))
      const both = yield* floe("processor", "rebuild", "only_sales")
      assert.strictEqual(both.code, 0, both.err)
      assert.deepStrictEqual(yield* query(rows), [
        ...once.slice(0, 2),
        { visitor: "x", minute: "2026-11-27 10:00:00+00", sales: 1 }
      ])
      assert.deepStrictEqual(yield* query(late), [{ visitor: "c" }])
    }),
  120_000
)

it.live(
  "windows that the clock closes while a rebuild is computed stay closed in the rebuilt file, and what is late stays late",
  () =>
    Effect.gen(function* () {
      const { cwd, floe, post, start, write } = yield* project
      const report = Effect.map(floe("processor", "status", "--json"), ({ out }) => {
        const one = JSON.parse(out).find(({ processor }: { processor: string }) => processor === "per_minute")
        return [one?.lag, one?.open, one?.rows, one?.late]
      })
      const is = (...wanted: ReadonlyArray<number>) => poll(report, (now) => now.join() === wanted.join())
      const first = yield* start("standalone")
      yield* Effect.promise(() => first.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", clicks.slice(0, 3))).status, 200)
      yield* is(0, 2, 0, 0)
      first.signal("SIGTERM")
      yield* Effect.promise(() => first.ended)
      // What a rebuild would have computed by now.
      const processors = join(cwd, "data", "processors")
      mkdirSync(join(processors, "rebuild"))
      for (const end of ["db", "end"]) {
        copyFileSync(join(processors, `per_minute.${end}`), join(processors, "rebuild", `per_minute.${end}`))
      }

      write(module({ more: 'closeWhenIdle: "1 second",' }))
      const second = yield* start("standalone")
      yield* Effect.promise(() => second.printed(/Floe runs at/))
      yield* is(0, 0, 2, 0)
      assert.strictEqual((yield* post("/streams/clicks/events", [click("c", 65)])).status, 200)
      yield* is(0, 0, 2, 1)
      for (const stream of ["per_minute", "per_minute_late"]) {
        yield* Effect.promise(() => second.printed(new RegExp(`committed .* up to ${stream}/0/`)))
        assert.strictEqual((yield* floe("connector", "pause", `iceberg-sink-${stream}`)).code, 0)
      }
      second.signal("SIGTERM")
      yield* Effect.promise(() => second.ended)

      const state = JSON.stringify({ names: ["per_minute"], phase: "ready", paused: [] })
      writeFileSync(join(processors, "rebuild", "state.json"), state)
      write(module())
      const third = yield* start("standalone")
      yield* Effect.promise(() => third.printed(/Floe runs at/))
      yield* is(0, 0, 2, 1)
      // Its table has the rows of the former file.
      const audited = yield* floe("audit", "--stream", "per_minute")
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
    }),
  120_000
)

it.live(
  "a paused processor keeps its place, also over a restart and in a backup, until it is resumed",
  () =>
    Effect.gen(function* () {
      const { cwd, floe, post, query, start } = yield* project
      const first = yield* start("standalone")
      yield* Effect.promise(() => first.printed(/Floe runs at/))
      const states = Effect.map(floe("processor", "status", "--json"), ({ out }) =>
        JSON.parse(out).map(({ state }: { state: string }) => state)
      )
      yield* poll(states, ([state]) => state === "running")
      const paused = yield* floe("processor", "pause", "only_sales")
      assert.deepStrictEqual([paused.code, paused.err], [0, ""])
      assert.strictEqual((yield* floe("backup", "saved")).code, 0)
      assert.strictEqual((yield* floe("restore", "saved", "--into", "again")).code, 0)
      const restored = readdirSync(join(cwd, "again", "processors")).filter((name) => name.endsWith(".paused"))
      assert.deepStrictEqual(restored, ["only_sales.paused"])
      yield* poll(states, ([state]) => state === "paused")
      assert.strictEqual((yield* post("/streams/clicks/events", clicks)).status, 200)
      first.signal("SIGTERM")
      yield* Effect.promise(() => first.ended)
      const second = yield* start("standalone")
      yield* Effect.promise(() => second.printed(/Floe runs at/))
      const status = JSON.parse((yield* floe("processor", "status", "--json")).out)
      assert.deepStrictEqual([status[0].lag, status[0].rows], [6, 0])
      assert.strictEqual((yield* floe("processor", "resume", "only_sales")).code, 0)
      assert.deepStrictEqual(yield* poll(query(rows), (rows) => rows.length === 3), once)
    }),
  120_000
)

it.live(
  "a function that never returns stops its processor alone, with its place",
  () =>
    Effect.gen(function* () {
      const { floe, post, start, write } = yield* project
      write(module({ add: `(s, c) => { while (c.visitor === "b") {} return s }` }))
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", clicks)).status, 200)
      yield* Effect.promise(() =>
        program.printed(
          /ERROR The processor per_minute stopped at sales\/0\/2: a function of it did not return within 10 seconds\. Correct it and start again\./
        )
      )
      assert.strictEqual((yield* post("/streams/clicks/events", [click("f", 300)])).status, 200)
      yield* Effect.promise(() => program.printed(/committed .* up to sales\/0\/5/))
      const again = yield* floe("processor", "test", "per_minute", "--from-log")
      // It runs up to where the processor is.
      assert.deepStrictEqual([again.code, again.err], [0, ""])
      const later = yield* floe("processor", "at", "per_minute", "--offset", "5")
      assert.strictEqual(later.code, 1)
      assert.strictEqual(
        later.err,
        "The processor per_minute stopped at sales/0/2: a function of it did not return within 10 seconds. Correct it and start again.\n"
      )
    }),
  120_000
)
