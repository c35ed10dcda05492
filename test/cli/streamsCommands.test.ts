import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "../support/dataFolder.ts"
import { floe } from "../support/program.ts"

const stream = (name: string, field: string) => `
import { Column, Partition, Stream } from "floe"
import { Schema } from "effect"
export const Some = Stream.make("${name}", { schema: Schema.Struct({ a: ${field} }) })
`

/** A folder with these files. */
const folderOf = Effect.fnUntraced(function* (files: Record<string, string>) {
  const folder = yield* temporaryFolder
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
})

const check = (cwd: string, env: Record<string, string> = {}) => floe(["streams", "check", "--json"], env, { cwd })

const declared = (out: string) => JSON.parse(out).map(({ stream }: { stream: string }) => stream)

it.live(
  "init writes an example that check accepts, with a package.json outside of a project, and never overwrites",
  () =>
    Effect.gen(function* () {
      const cwd = yield* folderOf({})
      assert.strictEqual((yield* floe(["streams", "init"], {}, { cwd })).code, 0)
      assert.deepStrictEqual(readdirSync(cwd).sort(), ["floe.streams.ts", "package.json"])
      assert.strictEqual(JSON.parse(readFileSync(join(cwd, "package.json"), "utf8")).type, "module")
      const { code, out, err } = yield* check(cwd)
      assert.deepStrictEqual([code, err], [0, ""])
      assert.deepStrictEqual(JSON.parse(out), [
        { stream: "readings", columns: 8, key: "device", "partitioned by": "day(measured_at)" }
      ])
      const again = yield* floe(["streams", "init"], {}, { cwd })
      assert.strictEqual(again.code, 1)
      assert.match(again.err, /^floe\.streams\.ts was not written: it exists already;.*\n$/)

      const own = yield* folderOf({ "package.json": '{"name":"own"}' })
      assert.strictEqual((yield* floe(["streams", "init"], {}, { cwd: own })).code, 0)
      assert.strictEqual(readFileSync(join(own, "package.json"), "utf8"), '{"name":"own"}')
      assert.deepStrictEqual(yield* check(own), { code, out, err })

      const inner = join(own, "inner")
      mkdirSync(inner)
      assert.strictEqual((yield* floe(["streams", "init"], {}, { cwd: inner })).code, 0)
      assert.deepStrictEqual(readdirSync(inner), ["floe.streams.ts"])
      assert.deepStrictEqual(yield* check(inner), { code, out, err })
    })
)

it.live("the declaration is FLOE_STREAMS, else floe.streams.ts, else floe.streams.json", () =>
  Effect.gen(function* () {
    const cwd = yield* folderOf({
      "floe.streams.ts": stream("typescript", "Column.uuid"),
      "other.mjs": stream("named", "Column.date")
    })
    const compiled = yield* floe(["streams", "compile"], { FLOE_STREAMS: "other.mjs" }, { cwd })
    assert.deepStrictEqual(
      [compiled.code, compiled.out, compiled.err],
      [0, "Wrote floe.streams.json with 1 stream.\n", ""]
    )
    const text = readFileSync(join(cwd, "floe.streams.json"), "utf8")
    assert.deepStrictEqual(JSON.parse(text), {
      format: 1,
      streams: [{ name: "named", columns: [{ name: "a", required: true, type: "date" }], key: null, partitionBy: [] }]
    })
    const printed = yield* floe(["streams", "compile", "-o", "-"], { FLOE_STREAMS: join(cwd, "other.mjs") }, { cwd })
    assert.strictEqual(printed.out, text)

    assert.deepStrictEqual(declared((yield* check(cwd, { FLOE_STREAMS: "other.mjs" })).out), ["named"])
    assert.deepStrictEqual(declared((yield* check(cwd)).out), ["typescript"])
    assert.deepStrictEqual(declared((yield* check(yield* folderOf({ "floe.streams.json": text }))).out), ["named"])
    const none = yield* check(yield* folderOf({}))
    assert.strictEqual(none.code, 1)
    assert.match(none.err, /^There is no floe\.streams\.ts.*floe streams init.*\n$/)
  })
)

it.live("a module and what it imports may be in a package of type commonjs, as npm init writes it", () =>
  Effect.gen(function* () {
    const cwd = yield* folderOf({
      "package.json": '{"type":"commonjs"}',
      "floe.streams.ts": `export { Some } from "./some.ts"`,
      "some.ts": stream("inner", "Schema.String")
    })
    const { code, out, err } = yield* check(cwd)
    assert.deepStrictEqual([code, declared(out), err], [0, ["inner"], ""])
  })
)

it.live("a module may import its own files, and prints to standard error alone", () =>
  Effect.gen(function* () {
    const cwd = yield* folderOf({
      "floe.streams.ts": `import { Some } from "./streams/some.ts"\nconsole.log("noise")\nexport { Some }\nsetInterval(() => {}, 1000)`,
      "streams/some.ts": stream("inner", "Schema.String")
    })
    const { code, out, err } = yield* check(cwd)
    assert.deepStrictEqual([code, declared(out), err], [0, ["inner"], "noise\n"])
  })
)

const faults: Array<[name: string, file: string, text: string, sentence: RegExp]> = [
  ["exports no stream", "m.ts", "export const a = 1", /it exports no stream; write: /],
  [
    "throws",
    "m.ts",
    "\nthrow new Error('out of order')",
    /it throws an error while it is loaded \(line 2\): out of order/
  ],
  ["throws no error", "m.ts", "throw 'this'", /it throws this/],
  [
    "throws later",
    "m.ts",
    "setTimeout(() => { throw new Error('late') })\nawait new Promise((r) => setTimeout(r, 5e3))",
    /: late/
  ],
  ["has an enum", "m.ts", "enum A { B }", /Node only strips types \(line 1\), so enum.* use Schema\.Literals/],
  ["has a syntax error", "m.ts", "\n\nexport const = 1", /syntax error \(line 3\): /],
  ["has a syntax error in JavaScript", "m.mjs", "export const = 1", /syntax error: Unexpected/],
  ["imports what is not installed", "m.ts", 'import "no-such-package"', /an import is missing: Cannot find package/],
  ["imports a file that is not there", "m.ts", 'import "./units"', /an import is missing: .*with its extension/],
  ["is in node_modules", "node_modules/m/m.ts", "export const a: number = 1", /no TypeScript below node_modules/],
  ["waits for nothing", "m.ts", "await new Promise(() => {})", /its top-level await never ends/],
  ["ends the process", "m.ts", "process.exit(0)", /it ends the process/],
  [
    "has no such type",
    "m.ts",
    stream("a", "Column.string"),
    /^m\.ts: a schema is undefined \(line 4\); Column or Schema may have no such name/
  ],
  [
    "has an option that there is not",
    "m.ts",
    stream("a", "Column.int").replace("schema", "partitionedBy: [], schema"),
    /^m\.ts: stream a: Stream.make has no option partitionedBy; its options are schema, key, partitionBy, doc, renames\.\n$/
  ],
  [
    "has no schema",
    "m.ts",
    'import { Stream } from "floe"; export const A = Stream.make("a", {})',
    /stream a: its schema is missing/
  ],
  ["fills the memory", "m.ts", "const a = []; for (;;) a.push(new Array(1e6).fill(0.5))", /more than 512 MiB/],
  ["fills the memory at once", "m.ts", "const a = []; for (;;) a.push(new Array(1e7).fill(0.5))", /more than 512 MiB/],
  ["is no declaration", "m.json", '{"format":2}', /not a compiled declaration/],
  [
    "is compiled, with a fault",
    "m.json",
    '{"format":1,"streams":[{"name":"some","columns":[{"name":"a","required":true,"type":"json"}],"key":"a","partitionBy":[]}]}',
    /stream some, column a: the key cannot be a json/
  ],
  ["is in another language", "m.py", "", /a file that ends in \.ts/]
]

it.live(
  "a module that cannot be used is one sentence with its file, and exit code 1",
  () =>
    Effect.forEach(
      faults,
      ([name, file, text, sentence]) =>
        Effect.gen(function* () {
          const cwd = yield* folderOf({ [file]: text })
          const { code, out, err } = yield* check(cwd, { FLOE_STREAMS: file })
          assert.deepStrictEqual([code, out], [1, ""], name)
          assert.match(err, sentence, name)
          assert.isTrue(err.startsWith(`${file}: `) && err.endsWith(".\n") && err.split("\n").length === 2, err)
        }),
      { concurrency: 2 }
    ),
  60_000
)

it.live(
  "a module that never ends is stopped after 10 s, also when it blocks its thread",
  () =>
    Effect.forEach(
      ["for (;;);", "setInterval(() => {}, 1000)\nawait new Promise(() => {})"],
      (text) =>
        Effect.gen(function* () {
          const cwd = yield* folderOf({ "floe.streams.ts": text })
          const { code, err } = yield* check(cwd)
          assert.strictEqual(code, 1)
          assert.match(err, /^floe\.streams\.ts: it was still loading after 10 s; .*\.\n$/)
        }),
      { concurrency: 2 }
    ),
  60_000
)

it.live("a file that is not there is named", () =>
  Effect.gen(function* () {
    const cwd = yield* folderOf({ "folder/a.ts": "" })
    const missing = yield* check(cwd, { FLOE_STREAMS: "nowhere.ts" })
    assert.deepStrictEqual(
      [missing.code, missing.err],
      [1, "nowhere.ts: the file does not exist (FLOE_STREAMS names it).\n"]
    )
    const folder = yield* check(cwd, { FLOE_STREAMS: "folder" })
    assert.match(folder.err, /^folder: it is not a file; /)
  })
)

it.live("check warns of each column whose name SQL reserves, and only of those, as DuckDB itself judges", () =>
  Effect.gen(function* () {
    const keywords = yield* Effect.promise(async () => {
      const connection = await (await DuckDBInstance.create(":memory:")).connect()
      const names = await connection.runAndReadAll("SELECT DISTINCT keyword_name FROM duckdb_keywords()")
      const judged: Array<readonly [name: string, isReserved: boolean]> = []
      for (const [name] of names.getRowsJS()) {
        const read = connection.runAndReadAll(`SELECT ${name} FROM (SELECT 1 AS "${name}") ORDER BY ${name}`)
        judged.push([
          String(name),
          await read.then(
            (result) => result.getRowsJS()[0]?.[0] !== 1,
            () => true
          )
        ])
      }
      return judged.sort(([a], [b]) => (a < b ? -1 : 1))
    })
    const columns = keywords.map(([name]) => ({ name, type: "int", required: true }))
    const compiled = { format: 1, streams: [{ name: "some", columns, key: null, partitionBy: [] }] }
    const cwd = yield* folderOf({ "floe.streams.json": JSON.stringify(compiled) })
    const { code, err } = yield* check(cwd)
    assert.strictEqual(code, 0)
    const sentence =
      /^Warning: floe\.streams\.json: stream some, column (\w+): (.*) reserves? this name, so that a query must quote it \("\1"\); choose another name, for example \1_value\.$/
    const warnings = err
      .trim()
      .split("\n")
      .map((line) => sentence.exec(line)?.slice(1) ?? [line])
    const ofDuckDB = warnings.filter(([, engines]) => engines?.includes("DuckDB")).map(([name]) => name)
    assert.deepStrictEqual(
      ofDuckDB,
      keywords.filter(([, isReserved]) => isReserved).map(([name]) => name)
    )
    // In Trino's documentation, and not reserved by DuckDB.
    const trino = warnings.filter(([, engines]) => engines === "Trino").map(([name]) => name)
    assert.includeMembers(trino, ["alter", "values", "skip", "escape"])
    assert.notInclude(trino, "at")
    assert.include(err, "column order: DuckDB (floe query) and Trino reserve this name")
  })
)
