import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Schema, Stdio, Stream } from "effect"
import { csv, json, ndjson } from "../../layers/cli/terminal/formats.ts"
import { table } from "../../layers/cli/terminal/formatTable.ts"
import { outputWidth } from "../../layers/cli/terminal/Output.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { Leases } from "../../services/Leases.ts"
import type { QueryColumn, QueryValue } from "../../services/Query.ts"
import { temporary, temporaryFolder } from "../support/dataFolder.ts"
import { bin, floe, type Program, result, run } from "../support/program.ts"
import { commitRows, reading } from "../support/weatherTable.ts"

const rows = [
  reading("Oslo", "41.50", "2026-01-08-14"),
  reading('Lima, "the" city', "72.50", "2026-01-08-14"),
  reading("東京 🌧️", "80.59", "2026-01-08-15")
]

const Filled = Layer.effectDiscard(commitRows(rows)).pipe(
  Layer.provide(TableWriterLayer.layer),
  Layer.provideMerge(LeasesLayer.layer),
  Layer.provideMerge(temporary)
)

const select = "SELECT city, temperature, ts FROM iceberg.default.weather ORDER BY temperature"

layer(Filled)("floe", (it) => {
  const onTable = (args: ReadonlyArray<string>, input?: string) =>
    Effect.flatMap(DataFolder, ({ root }) => floe(args, { FLOE_DATA: root }, { input }))

  /** Node with these arguments, to its end; `act` follows the first output. */
  const onNode = Effect.fnUntraced(function* (args: ReadonlyArray<string>, act?: (program: Program) => void) {
    const { root } = yield* DataFolder
    const program = yield* run(process.execPath, args, { FLOE_DATA: root })
    if (act !== undefined) {
      yield* Effect.promise(() => program.printed(/./))
      act(program)
    }
    return yield* result(program)
  }, Effect.scoped)

  it.effect("query prints in each format", () =>
    Effect.gen(function* () {
      const [asTable, asJson, asNdjson, asCsv] = yield* Effect.all(
        [
          onTable(["query", select]),
          onTable(["query", "--format", "json", `--all of it\n${select};`]),
          onTable(["query", "--format", "ndjson"], select),
          onTable(["query", select, "--format=csv"])
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(asTable, {
        code: 0,
        out: [
          " city             | temperature | ts",
          "------------------+-------------+---------------",
          " Oslo             | 41.50       | 2026-01-08-14",
          ' Lima, "the" city | 72.50       | 2026-01-08-14',
          " 東京 🌧️          | 80.59       | 2026-01-08-15",
          "(3 rows)",
          ""
        ].join("\n"),
        err: ""
      })
      assert.deepStrictEqual(JSON.parse(asJson.out), rows)
      assert.deepStrictEqual(
        asNdjson.out
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
        rows
      )
      assert.strictEqual(
        asCsv.out,
        'city,temperature,ts\r\nOslo,41.50,2026-01-08-14\r\n"Lima, ""the"" city",72.50,2026-01-08-14\r\n東京 🌧️,80.59,2026-01-08-15\r\n'
      )
    })
  )

  it.effect("exits with 1 on failure and with 2 on misuse, with the reason on standard error", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "a.sql")
      writeFileSync(file, "SHOW CATALOGS")
      const [failed, unknown, two, format, fromFile, help, noTable, profile, aFile] = yield* Effect.all(
        [
          onTable(["query", "SELEKT 1"]),
          onTable(["qwery"]),
          onTable(["query", "SELECT 1", "--file", file]),
          onTable(["query", "SELECT 1", "--format", "xml"]),
          onTable(["query", "--file", file, "--format", "csv"]),
          onTable(["query", "--help"]),
          floe(["query", "SELECT 1"], { FLOE_DATA: "./here" }, { cwd: folder }),
          floe(["query", "SELECT 1"], { FLOE_PROFILE: "other" }),
          floe(["query", "SELECT 1"], { FLOE_DATA: file })
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([failed.code, failed.out], [1, ""])
      assert.include(failed.err, 'Parser Error: syntax error at or near "SELEKT"')
      assert.deepStrictEqual([unknown.code, unknown.out], [2, ""])
      assert.include(unknown.err, 'Unknown subcommand "qwery"')
      assert.deepStrictEqual([two.code, two.out], [2, ""])
      assert.include(two.err, "not both")
      assert.deepStrictEqual([format.code, format.out], [2, ""])
      assert.deepStrictEqual(fromFile, { code: 0, out: "Catalog\r\niceberg\r\nsystem\r\n", err: "" })
      assert.strictEqual(help.code, 0)
      assert.include(help.out, "EXAMPLES")
      assert.strictEqual(noTable.code, 1)
      assert.isFalse(existsSync(join(folder, "here")))
      assert.strictEqual(profile.code, 1)
      assert.match(profile.err, /^FLOE_PROFILE is invalid: .*\.\n$/)
      assert.strictEqual(aFile.code, 1)
      assert.match(aFile.err, /^The data folder .*a\.sql cannot be used: .* is a file; .*\n$/)
      assert.match(
        noTable.err,
        /^The table cannot be queried: there is no table yet at .*\/here\/.*; start the sink.*\.\n$/
      )
    }).pipe(Effect.scoped)
  )

  it.effect("ends quietly when its reader closes the pipe, and on an interruption", () =>
    Effect.gen(function* () {
      const many = "SELECT range FROM range(1000000000000)"
      const [closed, interrupted] = yield* Effect.all(
        [
          onNode([bin, "query", "--format", "csv", many], (program) => program.closeOutput()),
          onNode([bin, "query", "--format", "csv", many], (program) => program.signal("SIGINT"))
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([closed.code, closed.err], [0, ""])
      assert.deepStrictEqual([interrupted.code, interrupted.err], [130, ""])
      assert.deepStrictEqual(yield* (yield* Leases).held, new Set())
    })
  )

  it.effect("runs through a symbolic link, and on an older Node by starting the bundled one", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      symlinkSync(bin, join(folder, "floe"))
      const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } })`
      const older = ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`]
      mkdirSync(join(folder, "alone", "bin"), { recursive: true })
      writeFileSync(join(folder, "alone", "package.json"), '{"type":"module"}')
      copyFileSync(bin, join(folder, "alone", "bin", "floe.js"))
      const [linked, onOlder, failing, alone] = yield* Effect.all(
        [
          onNode([join(folder, "floe"), "query", "SELECT count(*) AS n FROM weather", "--format", "ndjson"]),
          onNode([...older, bin, "query", "SELECT version() AS v", "--format", "ndjson"]),
          onNode([...older, bin, "query", "SELEKT"]),
          onNode([...older, join(folder, "alone", "bin", "floe.js"), "query", "SELECT 1"])
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(linked, { code: 0, out: '{"n":3}\n', err: "" })
      assert.deepStrictEqual([onOlder.code, onOlder.err], [0, ""])
      assert.strictEqual(failing.code, 1)
      assert.include(failing.err, "Parser Error")
      assert.strictEqual(alone.code, 1)
      assert.match(alone.err, /^Floe needs Node 24 or newer, but this is Node 20\.19\.0\. Run npm ci in .*\n$/)
    }).pipe(Effect.scoped)
  )
})

const textOf = (
  format: typeof ndjson,
  columns: ReadonlyArray<QueryColumn>,
  chunks: ReadonlyArray<ReadonlyArray<ReadonlyArray<QueryValue>>>
) => Stream.mkString(format(columns, Stream.flatMap(Stream.fromIterable(chunks), Stream.fromArray)))

const columnsOf = (types: Record<string, string>) => Object.entries(types).map(([name, type]) => ({ name, type }))

describe("formats", () => {
  const columns = columnsOf({ n: "BIGINT", d: "DECIMAL(9,2)", t: "VARCHAR", l: "INTEGER[]" })
  const chunks: ReadonlyArray<ReadonlyArray<ReadonlyArray<QueryValue>>> = [
    [["9007199254740993", "1.50", "007", [1, 2]]],
    [
      [null, null, null, null],
      ["-1", "0.00", "", []]
    ]
  ]

  it.effect("JSON keeps numbers of any length as numbers, and strings as strings", () =>
    Effect.gen(function* () {
      const expected = [
        '{"n":9007199254740993,"d":1.50,"t":"007","l":[1,2]}',
        '{"n":null,"d":null,"t":null,"l":null}',
        '{"n":-1,"d":0.00,"t":"","l":[]}'
      ]
      assert.strictEqual(yield* textOf(ndjson, columns, chunks), expected.map((line) => `${line}\n`).join(""))
      const text = yield* textOf(json, columns, chunks)
      assert.strictEqual(text, `[\n${expected.map((line) => `  ${line}`).join(",\n")}\n]\n`)
      yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Schema.Json)))(text)
      assert.strictEqual(yield* textOf(json, columns, []), "[\n]\n")
      assert.strictEqual(
        yield* textOf(ndjson, [...columnsOf({ a: "INTEGER" }), ...columnsOf({ a: "INTEGER" })], [[[1, 2]]]),
        '{"a":1,"a:1":2}\n'
      )
    })
  )

  it.effect("CSV follows RFC 4180", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* textOf(csv, columnsOf({ "a,b": "VARCHAR", c: "VARCHAR" }), [
          [
            ['say "hi"', "two\nlines"],
            [null, ""]
          ]
        ]),
        '"a,b",c\r\n"say ""hi""","two\nlines"\r\n,""\r\n'
      )
    })
  )

  it.effect("a table aligns wide characters and numbers, shows control characters and fits the terminal", () =>
    Effect.gen(function* () {
      const at =
        (width: number): typeof ndjson =>
        (columns, rows) =>
          table(columns, rows, width)
      assert.strictEqual(
        yield* textOf(at(80), columnsOf({ city: "VARCHAR", n: "BIGINT" }), [
          [
            ["東京", "5"],
            ["a\u001b[31m\nb", "-12"],
            [null, null]
          ]
        ]),
        [
          " city     |    n",
          "----------+------",
          " 東京     |    5",
          " a␛[31m␊b |  -12",
          " NULL     | NULL",
          "(3 rows)",
          ""
        ].join("\n")
      )
      const long = yield* textOf(at(30), columnsOf({ a: "VARCHAR", b: "VARCHAR", c: "INTEGER" }), [
        [["x".repeat(50), "東".repeat(20), 7]]
      ])
      for (const line of long.split("\n")) assert.isAtMost([...line.replaceAll("東", "__")].length, 30)
      assert.include(long, "x…")
      assert.include(long, "東…")
      const ids = [
        { name: "id", type: "VARCHAR", whole: true },
        { name: "text", type: "VARCHAR" }
      ]
      const row = ["1".repeat(19), "x".repeat(12)]
      const kept = yield* Stream.mkString(table(ids, Stream.make(row), 30))
      assert.strictEqual(kept.split("\n")[2], ` ${"1".repeat(19)} | xxxxx…`)
      assert.strictEqual(yield* textOf(at(80), columnsOf({ a: "INTEGER" }), []), " a\n---\n(0 rows)\n")
      const many = yield* textOf(at(80), columnsOf({ a: "INTEGER" }), [
        Array.from({ length: 900 }, (_, i) => [i]),
        Array.from({ length: 900 }, (_, i) => [i])
      ])
      assert.strictEqual(many.split("\n").length, 2 + 1800 + 1 + 1)
      assert.isTrue(many.endsWith("\n 899\n(1,800 rows)\n"))
    })
  )

  it.effect("a table in a pipe is never truncated", () =>
    Effect.gen(function* () {
      const short = Array.from({ length: 1500 }, () => ["short", "x"])
      const wide = ["y".repeat(300), "z".repeat(300)]
      const piped = yield* Stream.mkString(
        table(columnsOf({ a: "VARCHAR", b: "VARCHAR" }), Stream.fromIterable([...short, wide]), yield* outputWidth)
      )
      assert.include(piped, ` ${wide.join(" | ")}\n`)
    }).pipe(Effect.provide(Layer.merge(NodeServices.layer, Stdio.layerTest({}))))
  )
})
