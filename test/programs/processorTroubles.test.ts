/** What goes wrong with processors, and which command says so. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { click, module, project } from "../support/derivedStreams.ts"
import { fill, smallDisk } from "../support/smallDisk.ts"
import { poll } from "../support/waiting.ts"

const rows = "SELECT visitor, sales::INT AS sales FROM per_minute ORDER BY minute, visitor"
const throwing = `(s, c) => { if (c.visitor === "bad") throw new Error("no " + c.visitor); return { sales: s.sales + 1n, first: s.first || c.at } }`

it.live(
  "status and doctor name a processor that is stopped",
  () =>
    Effect.gen(function* () {
      const { floe, post, start, write } = yield* project
      write(module({ add: throwing }))
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", [click("a", 0), click("bad", 1)])).status, 200)
      const status = yield* poll(floe("status"), ({ out }) => out.includes("stopped"))
      assert.strictEqual(status.code, 1)
      assert.include(status.out, "  only_sales   processor running, lag none\n")
      assert.include(status.out, "  per_minute   processor stopped: The processor per_minute stopped at sales/0/1: add")
      assert.include(status.err, "per_minute is stopped; run floe doctor to see what to do.")
      const doctor = yield* floe("doctor")
      assert.strictEqual(doctor.code, 1)
      assert.match(doctor.out, /FAIL +processors +The processor per_minute stopped at sales\/0\/1: add throws no bad\./)
      assert.include(doctor.out.replaceAll(/\s+/g, " "), "floe processor test per_minute --from-log")
      const misspelt = yield* floe("processor", "rebuild", "per_minutes")
      assert.deepStrictEqual(
        [misspelt.code, misspelt.err],
        [1, "The module does not declare the processor per_minutes; did you mean per_minute?\n"]
      )
      assert.match((yield* floe("processor", "rebuild", "nope")).err, /it declares .*only_sales, per_minute\.\n$/)
    }),
  120_000
)

it.live(
  "dead letters of a processor are listed and shown with its output, and a rebuild by corrected functions brings them in",
  () =>
    Effect.gen(function* () {
      const { floe, post, query, start, write } = yield* project
      write(module({ add: throwing, onError: "dead-letter" }))
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      const clicks = [click("a", 0), click("bad", 1), click("b", 66)]
      assert.strictEqual((yield* post("/streams/clicks/events", clicks)).status, 200)
      const one = [{ visitor: "a", sales: 1 }]
      assert.deepStrictEqual(yield* poll(query(rows), (rows) => rows.length === 1), one)
      const listed = yield* floe("dlq", "list", "--stream", "per_minute", "--json")
      const [letter] = listed.out.trim().split("\n")
      const { event, position, reason } = JSON.parse(letter ?? "")
      assert.deepStrictEqual(
        [position, reason, event.visitor, event.at],
        ["0/1", "add throws no bad", "bad", "2026-11-27T10:00:01.000000Z"]
      )
      const shown = yield* floe("dlq", "show", "0/1", "--stream", "per_minute", "--raw")
      assert.strictEqual(JSON.parse(shown.out).visitor, "bad")
      const redriven = yield* floe("dlq", "redrive", "--all", "--stream", "per_minute")
      assert.deepStrictEqual([redriven.code, redriven.out], [1, ""])
      assert.include(redriven.err, "then floe processor rebuild per_minute processes them with the others.")
      const doctor = yield* floe("doctor")
      assert.include(doctor.out.replaceAll(/\s+/g, " "), "The processor per_minute has put 1 dead letter aside.")

      write(module())
      const rebuilt = yield* floe("processor", "rebuild", "per_minute")
      assert.strictEqual(rebuilt.code, 0, rebuilt.err)
      assert.deepStrictEqual(yield* query(rows), [...one, { visitor: "bad", sales: 1 }])
      assert.include((yield* floe("dlq", "list", "--stream", "per_minute")).out, "Nothing is waiting")
    }),
  120_000
)

it.live(
  "on a full disk a processor waits, and goes on once there is room",
  () =>
    Effect.gen(function* () {
      const { cwd, floeIn, post, queryIn, startIn } = yield* project
      const disk = yield* smallDisk(24, cwd)
      if (disk === undefined) return
      const program = yield* startIn("disk/data")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      const minutes = 20
      const status = Effect.map(floeIn("disk/data", "processor", "status", "--json"), ({ out }) => JSON.parse(out))
      yield* poll(status, ([only]) => only?.state === "running")
      assert.strictEqual((yield* floeIn("disk/data", "processor", "pause", "only_sales")).code, 0)
      yield* poll(status, ([only]) => only?.state === "paused")
      for (let minute = 0; minute < minutes; minute++) {
        // After 10 seconds of a minute, the one before is closed.
        const clicks = Array.from({ length: 200 }, (_, i) => click(`v${i}`, minute * 60 + 10))
        assert.strictEqual((yield* post("/streams/clicks/events", clicks)).status, 200)
      }
      yield* Effect.promise(() => program.printed(/up to clicks\/0\/3999/))
      fill(join(disk, "filler"))
      assert.strictEqual((yield* floeIn("disk/data", "processor", "resume", "only_sales")).code, 0)
      yield* Effect.promise(() =>
        program.printed(/WARN The processor only_sales cannot go on: .*full.* Retrying until it works\./)
      )
      rmSync(join(disk, "filler"))
      const closed = (minutes - 1) * 200
      const counted = queryIn("disk/data", "SELECT count(*)::INT AS n, sum(sales)::INT AS sales FROM per_minute")
      const [found] = yield* poll(counted, ([row]) => row?.n === closed)
      assert.strictEqual(found.sales, closed)
      const audited = yield* floeIn("disk/data", "audit", "--stream", "per_minute")
      assert.strictEqual(audited.code, 0, audited.out + audited.err)
    }),
  120_000
)

it.live(
  "a processor that fills the heap twice is stopped and named, and the others go on, also those after it",
  () =>
    Effect.gen(function* () {
      const { floe, post, query, start, write } = yield* project
      const filling = `
export const Copies = Stream.make("copies", { schema: Clicks.schema })
export const Fills = Processor.filter("a_copy", { from: Clicks, to: Copies, keep: (c) => {
  for (const kept = []; c.visitor === "bad"; ) kept.push(new Array(1_000_000).fill(0))
  return true
} })`
      write(module() + filling)
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      const clicks = [click("a", 0), click("bad", 1), click("b", 66)]
      assert.strictEqual((yield* post("/streams/clicks/events", clicks)).status, 200)
      yield* Effect.promise(() =>
        program.printed(/WARN The processor a_copy was at work, at clicks\/0\/0 or soon after/)
      )
      const stopped =
        /The processor a_copy stopped at clicks\/0\/0 or soon after: twice within 10 minutes its functions ended the process that runs all processors \(.*\)\. Correct it and start again\./
      yield* Effect.promise(() => program.printed(stopped))
      const all = [
        { visitor: "a", sales: 1 },
        { visitor: "bad", sales: 1 }
      ]
      assert.deepStrictEqual(yield* poll(query(rows), (rows) => rows.length === 2), all)
      const states = Effect.map(floe("processor", "status", "--json"), ({ out }) =>
        JSON.parse(out).map(({ processor, state }: { processor: string; state: string }) => `${processor} ${state}`)
      )
      const expected = ["a_copy stopped", "only_sales running", "per_minute running"]
      yield* poll(states, (found) => JSON.stringify(found) === JSON.stringify(expected))
      assert.match((yield* floe("doctor")).out.replaceAll(/\s+/g, " "), stopped)
      const again = yield* floe("processor", "test", "a_copy", "--from-log")
      assert.deepStrictEqual([again.code, again.err], [0, ""])
      const rebuilt = yield* floe("processor", "at", "per_minute", "--offset", "1")
      assert.strictEqual(rebuilt.code, 0, rebuilt.err)
    }),
  120_000
)

it.live(
  "a function that ends the process does not end the processing",
  () =>
    Effect.gen(function* () {
      const { post, query, start, write } = yield* project
      write(module({ more: `key: (c) => c.visitor === "bad" ? process.exit(0) : c.visitor,` }))
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      assert.strictEqual((yield* post("/streams/clicks/events", [click("a", 0), click("bad", 1)])).status, 200)
      yield* Effect.promise(() =>
        program.printed(
          /ERROR The processor per_minute stopped at sales\/0\/\d or soon after: twice .* \(exit code 0\)/
        )
      )
      assert.strictEqual((yield* post("/streams/clicks/events", [click("c", 2)])).status, 200)
      const counted = query("SELECT count(*)::INT AS n FROM sales")
      assert.deepStrictEqual(yield* poll(counted, ([row]) => row?.n === 3), [{ n: 3 }])
    }),
  120_000
)
