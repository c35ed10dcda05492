/** From a module of streams to rows in a table, in the folder of a project. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { result } from "../support/program.ts"
import { project as projectOf } from "../support/project.ts"

const module = (fields: string, name = "readings") => `
import { Column, Partition, Stream } from "floe"
import { Schema } from "effect"
export const Some = Stream.make("${name}", { schema: Schema.Struct({ ${fields} }), partitionBy: [Partition.day("taken")] })
`
const fields = "taken: Column.timestamptz, celsius: Schema.Finite, price: Schema.optionalKey(Column.decimal(12, 2))"

const project = Effect.map(projectOf("100 millis"), (one) => ({
  ...one,
  post: (path: string, body: unknown) => Effect.promise(() => one.post(path, body))
}))

it.live(
  "a stream that is new is created by the start, and its events become typed rows",
  () =>
    Effect.gen(function* () {
      const { write, start, floe, post } = yield* project
      write(module(fields))
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/created the stream readings/))
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      const bad = yield* post("/streams/readings/events", [{ taken: "2026-02-30T00:00:00Z", celsius: 1 }])
      assert.strictEqual(bad.status, 400)
      const example = /your streams +readings\n +send an event +curl http.*readings\/events .* -d '(.*)'/.exec(
        program.output()
      )
      const sent = yield* post("/streams/readings/events", JSON.parse(example?.[1] ?? ""))
      assert.strictEqual(sent.status, 200)
      yield* Effect.promise(() => program.printed(/committed 1 row .*readings/))
      const good = yield* post("/streams/readings/events", [
        { taken: "2026-11-27T11:11:12.5+01:00", celsius: -0.5, price: 1.1 },
        { taken: "1969-12-31T23:59:59.999999Z", celsius: 2 }
      ])
      assert.strictEqual(good.status, 200, good.text)
      yield* Effect.promise(() => program.printed(/readings.*committed 2 rows|committed 2 rows.*readings/))
      const { out, err } = yield* floe(
        "query",
        "--format",
        "json",
        "SELECT CAST(taken AS VARCHAR) AS taken, celsius, CAST(price AS VARCHAR) AS price, day(taken) AS day FROM readings ORDER BY 1"
      )
      assert.deepStrictEqual(
        JSON.parse(out),
        [
          { taken: "1969-12-31 23:59:59.999999+00", celsius: 2, price: null, day: 31 },
          { taken: "2026-11-27 10:11:12+00", celsius: 1.5, price: null, day: 27 },
          { taken: "2026-11-27 10:11:12.5+00", celsius: -0.5, price: "1.10", day: 27 }
        ],
        err
      )
    }),
  60_000
)

it.live(
  "a server that is started with a changed declaration names the change and the command, and changes nothing",
  () =>
    Effect.gen(function* () {
      const { write, start, floe } = yield* project
      write(module(fields))
      const first = yield* start("server")
      yield* Effect.promise(() => first.printed(/listens on/))
      first.signal("SIGTERM")
      yield* Effect.promise(() => first.ended)

      const listed = yield* floe("streams", "list", "--json")
      assert.deepStrictEqual(
        JSON.parse(listed.out).map((one: Record<string, unknown>) => [one.stream, one.version, one["partitioned by"]]),
        [
          ["weather", 1, "ts"],
          ["readings", 1, "day(taken)"]
        ]
      )
      const described = JSON.parse((yield* floe("streams", "describe", "readings", "--json")).out)
      assert.deepInclude(described, { version: 1, ids: { taken: 1, celsius: 2, price: 3 }, lastId: 3 })
      assert.match(
        (yield* floe("streams", "describe", "readings")).out,
        /^ price +\| +3 \| decimal\(12,2\) +\| optional/m
      )
      const unknown = yield* floe("streams", "describe", "reading")
      assert.deepStrictEqual([unknown.code, unknown.err], [1, "There is no stream reading; did you mean readings?\n"])
      assert.include((yield* floe("streams", "plan")).out, "readings: no changes")

      write(
        module(`${fields}, more: Schema.optionalKey(Column.int)`) +
          module("taken: Column.date", "another")
            .replace(/import.*\n/g, "")
            .replace("Some", "Other")
      )
      const plan = yield* floe("streams", "plan")
      assert.deepStrictEqual([plan.code, plan.err], [0, ""])
      assert.match(
        plan.out,
        /^another: new\n[\s\S]*^readings: version 1 → 2\n {2}\+ more {2}int\n[\s\S]*Run floe streams apply/m
      )
      const changed = yield* result(yield* start("server"))
      assert.strictEqual(changed.code, 1)
      assert.match(
        changed.err,
        /^floe\.streams\.ts changes the stream readings \(add more: int\)\. Run floe streams plan.*floe streams apply, and start again\.\n$/m
      )
      assert.notInclude(changed.out + changed.err, "created")

      write(module(fields.replace("Schema.Finite", "Column.int")))
      const impossible = yield* floe("streams", "plan")
      assert.strictEqual(impossible.code, 1)
      assert.match(impossible.err, /^floe\.streams\.ts: stream readings, column celsius: its type cannot change/)
      const refused = yield* result(yield* start("server"))
      assert.strictEqual(refused.code, 1)
      assert.match(
        refused.err,
        /^floe\.streams\.ts: stream readings, column celsius: its type cannot change from double to int; .*\.\n$/m
      )

      write("export const a = 1")
      const broken = yield* result(yield* start("server"))
      assert.match(broken.err, /^floe\.streams\.ts: it exports no stream; .*\.\n$/m)

      write(module(fields))
      const again = yield* start("server")
      yield* Effect.promise(() => again.printed(/listens on/))
      assert.notInclude(again.output(), "created")
    }),
  60_000
)

it.live(
  "a stream does not take the table of a rebuild",
  () =>
    Effect.gen(function* () {
      const { write, start, floe, post } = yield* project
      write(module(fields))
      const program = yield* start("standalone")
      yield* Effect.promise(() => program.printed(/Floe runs at/))
      const logged = yield* post("/streams/readings/events", { taken: "2026-11-27T11:11:12Z", celsius: 1 })
      assert.strictEqual(logged.status, 200)
      yield* Effect.promise(() => program.printed(/committed 1 row/))
      assert.strictEqual((yield* floe("rebuild", "--stream", "readings", "--into", "copy")).code, 0)
      write(module(fields, "copy"))
      const sentence =
        "floe.streams.ts: stream copy: the table default.copy exists already, and floe rebuild or another program made it; choose another name, or move that table away.\n"
      for (const command of ["plan", "apply"]) {
        const { code, err } = yield* floe("streams", command)
        assert.deepStrictEqual([code, err], [1, sentence])
      }
      program.signal("SIGTERM")
      yield* Effect.promise(() => program.ended)
      const refused = yield* result(yield* start("server"))
      assert.strictEqual(refused.code, 1)
      assert.include(refused.err, sentence)
      assert.notInclude((yield* floe("streams", "list")).out, "copy")
    }),
  60_000
)
