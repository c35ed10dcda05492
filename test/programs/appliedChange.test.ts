/** A stream is changed: the table first, then the log, which the server follows. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { project as projectOf } from "../support/project.ts"

const module = (fields: string, more = "") => `
import { Column, Partition, Stream } from "floe"
import { Schema } from "effect"
export const Some = Stream.make("visits", { schema: Schema.Struct({ ${fields} }), partitionBy: [Partition.day("taken")]${more} })
`
const before = module(
  "taken: Column.timestamptz, device: Schema.String, n: Column.int, price: Column.decimal(9, 2), note: Schema.optionalKey(Schema.String), place: Schema.Struct({ x: Schema.Finite })"
)
const after = module(
  "taken: Column.timestamptz, sensor: Schema.String, n: Column.long, price: Column.decimal(12, 2), more: Schema.optionalKey(Schema.Array(Schema.String)), place: Schema.Struct({ x: Schema.Finite, y: Schema.optionalKey(Schema.Finite) })",
  ', renames: { sensor: "device" }'
)
const former = (n: number) => ({
  taken: "2026-11-27T10:11:12Z",
  device: `d${n}`,
  n,
  price: 1.5,
  note: "old",
  place: { x: 0.5 }
})
const later = (n: string) => ({
  taken: "2026-11-28T10:11:12Z",
  sensor: `s${n}`,
  n,
  price: "1234567890.12",
  more: ["a"],
  place: { x: 1, y: 2 }
})

const project = Effect.map(projectOf("100 millis"), (one) => {
  const post = (event: object) => Effect.promise(() => one.post("/streams/visits/events", event))
  return {
    ...one,
    start: one.start("standalone"),
    post,
    /** Posts until the server has the definition that fits. */
    posted: (event: object) =>
      post(event).pipe(
        Effect.flatMap((answer) => (answer.status === 200 ? Effect.void : Effect.fail(answer.text))),
        Effect.retry(Schedule.spaced("100 millis")),
        Effect.timeout("10 seconds")
      )
  }
})
type Project = Effect.Success<typeof project>

const sql =
  "SELECT sensor, CAST(n AS VARCHAR) AS n, CAST(price AS VARCHAR) AS price, more, place.y AS y FROM visits ORDER BY taken, n"
const old = (n: number) => ({ sensor: `d${n}`, n: String(n), price: "1.50", more: null, y: null })
const young = (n: string) => ({ sensor: `s${n}`, n, price: "1234567890.12", more: ["a"], y: 2 })

const assertRows = Effect.fnUntraced(function* ({ floe }: Project, expected: ReadonlyArray<object>) {
  const { out, err } = yield* floe("query", "--format", "json", sql)
  assert.deepStrictEqual(JSON.parse(out), expected, err)
})

it.live(
  "apply works beside a running server and sink; old and new events are read, also after compaction and a rebuild",
  () =>
    Effect.gen(function* () {
      const one = yield* project
      one.write(before)
      const program = yield* one.start
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      for (const n of [1, 2]) assert.strictEqual((yield* one.post(former(n))).status, 200)
      yield* Effect.promise(() => program.printed(/up to visits\/0\/1 /))

      one.write(after)
      const applied = yield* one.floe("streams", "apply")
      assert.deepStrictEqual([applied.code, applied.err], [0, ""])
      assert.match(applied.out, /^visits: version 1 → 2\n[\s\S]*Applied: visits is at version 2\.\n$/)
      yield* one.posted(later("9007199254740993"))
      assert.strictEqual((yield* one.post(former(3))).status, 400)
      yield* one.posted(later("5"))
      yield* Effect.promise(() => program.printed(/up to visits\/0\/3 /))
      const rows = [old(1), old(2), young("5"), young("9007199254740993")]
      yield* assertRows(one, rows)
      assert.strictEqual((yield* one.floe("maintain", "--stream", "visits")).code, 0)
      yield* assertRows(one, rows)
      assert.strictEqual((yield* one.floe("audit", "--stream", "visits")).code, 0)
      const rebuilt = yield* one.floe("rebuild", "--stream", "visits", "--into", "visits_again", "--promote")
      assert.strictEqual(rebuilt.code, 0, rebuilt.err)
      yield* assertRows(one, rows)

      const again = yield* one.floe("streams", "apply")
      assert.include(again.out, "Nothing to do")
      program.signal("SIGTERM")
      yield* Effect.promise(() => program.ended)
      const restarted = yield* one.start
      yield* Effect.promise(() => restarted.printed(/Floe runs at/))
      yield* one.posted(later("6"))
      yield* Effect.promise(() => restarted.printed(/up to visits\/0\/4 /))
      yield* assertRows(one, [old(1), old(2), young("5"), young("6"), young("9007199254740993")])
    }),
  120_000
)

it.live(
  "an apply that dies between the table and the log is completed by the next one, also if that wants more",
  () =>
    Effect.gen(function* () {
      const one = yield* project
      one.write(before)
      const first = yield* one.start
      yield* Effect.promise(() => first.printed(/Floe runs at/))
      assert.strictEqual((yield* one.post(former(1))).status, 200)
      yield* Effect.promise(() => first.printed(/up to visits\/0\/0 /))
      first.signal("SIGTERM")
      yield* Effect.promise(() => first.ended)

      one.write(after)
      const writing = new DatabaseSync(join(one.data, "log.db"))
      writing.exec("BEGIN IMMEDIATE")
      const broken = yield* one.floe("streams", "apply")
      assert.strictEqual(broken.code, 1, broken.err)
      writing.close()
      const versionOf = Effect.map(
        one.floe("streams", "describe", "visits", "--json"),
        ({ out }) => JSON.parse(out).version
      )
      assert.strictEqual(yield* versionOf, 1)
      const audit = yield* one.floe("audit", "--stream", "visits")
      assert.deepStrictEqual([audit.code, audit.err], [0, ""])
      const backup = yield* one.floe("backup", join(one.data, "..", "backup"))
      assert.strictEqual(backup.code, 0, backup.err)
      one.write(before)
      const back = yield* one.floe("streams", "plan")
      assert.strictEqual(back.code, 1)
      assert.match(
        back.out,
        /^visits: an earlier change stopped after its table had it; floe streams apply completes it first, as version 2\.$/m
      )

      one.write(after.replace("sensor: Schema", "extra: Schema.optionalKey(Column.date), sensor: Schema"))
      const applied = yield* one.floe("streams", "apply")
      assert.strictEqual(applied.code, 0, applied.err)
      assert.strictEqual(yield* versionOf, 3)
      const second = yield* one.start
      yield* Effect.promise(() => second.printed(/Floe runs at/))
      yield* one.posted({ ...later("7"), extra: "2026-02-28" })
      yield* Effect.promise(() => second.printed(/up to visits\/0\/1 /))
      yield* assertRows(one, [old(1), young("7")])
    }),
  120_000
)

it.live(
  "apply works without a server and a sink, and with nothing in the table yet",
  () =>
    Effect.gen(function* () {
      const one = yield* project
      one.write(before)
      const none = yield* one.floe("streams", "apply")
      assert.strictEqual(none.code, 1)
      assert.match(none.err, /there is no log yet .*; start the logging server/)

      const first = yield* one.start
      yield* Effect.promise(() => first.printed(/Floe runs at/))
      assert.strictEqual((yield* one.post(former(1))).status, 200)
      yield* Effect.promise(() => first.printed(/up to visits\/0\/0 /))
      first.signal("SIGTERM")
      yield* Effect.promise(() => first.ended)

      one.write(after)
      const applied = yield* one.floe("streams", "apply", "--json")
      assert.deepStrictEqual(
        [applied.code, JSON.parse(applied.out)],
        [0, [{ stream: "visits", version: 2 }]],
        applied.err
      )
      const { ids } = JSON.parse((yield* one.floe("streams", "describe", "visits", "--json")).out)
      assert.deepInclude(ids, {
        taken: 1,
        sensor: 2,
        n: 3,
        price: 4,
        note: 5,
        place: 6,
        "place.x": 7,
        more: 8,
        "more.element": 9,
        "place.y": 10
      })
      yield* assertRows(one, [old(1)])
      const second = yield* one.start
      yield* Effect.promise(() => second.printed(/Floe runs at/))
      yield* one.posted(later("7"))
      yield* Effect.promise(() => second.printed(/up to visits\/0\/1 /))
      yield* assertRows(one, [old(1), young("7")])
    }),
  120_000
)
