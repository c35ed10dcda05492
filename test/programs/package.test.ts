/** The package as another project gets it: packed, installed, type-checked, run. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { result, root, run } from "../support/program.ts"

const project = realpathSync(mkdtempSync(join(tmpdir(), "floe-package-")))
afterAll(() => rmSync(project, { recursive: true, force: true }), 120_000)

const npm = (args: ReadonlyArray<string>, cwd: string) =>
  Effect.scoped(Effect.flatMap(run("npm", args, { npm_config_loglevel: "error" }, { cwd }), result))

const inProject = (command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.scoped(Effect.flatMap(run(command, args, env, { cwd: project }), result))

beforeAll(
  () =>
    Effect.runPromise(
      Effect.gen(function* () {
        // dist/ is built already, and another build would remove it while other tests use it.
        const packed = yield* npm(["pack", "--ignore-scripts", "--json", "--pack-destination", project], root)
        assert.strictEqual(packed.code, 0, packed.err)
        const [{ filename }] = JSON.parse(packed.out)
        writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
        const offline = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
        const installed = yield* npm(["install", ...offline, `./${filename}`], project)
        assert.strictEqual(installed.code, 0, installed.err)
      })
    ),
  300_000
)

const installed = join(project, "node_modules", "floe")

describe("the installed package", () => {
  it.live(
    "runs the command line and checks the example of floe streams init",
    () =>
      Effect.gen(function* () {
        const version = yield* inProject("npx", ["floe", "--version"])
        assert.include(version.out, JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version)
        assert.strictEqual((yield* inProject("npx", ["floe", "streams", "init"])).code, 0)
        const { code, out, err } = yield* inProject("npx", ["floe", "streams", "check", "--json"])
        assert.deepStrictEqual([code, err], [0, ""])
        assert.deepInclude(JSON.parse(out)[0], { stream: "readings", columns: 8 })
      }),
    60_000
  )

  it.live(
    "starts Floe with the project's streams, by npx floe start, and ends with it",
    () =>
      Effect.gen(function* () {
        const env = { FLOE_PORT: "0", FLOE_INTERVAL: "1 hour", FLOE_COMMIT_INTERVAL: "100 millis" }
        const program = yield* run(process.execPath, [join(installed, "bin", "floe.js"), "start"], env, {
          cwd: project
        })
        const [, url = ""] = yield* Effect.promise(() => program.printed(/Floe runs at (\S+)/))
        const event = {
          device: "8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c",
          measured_at: "2026-11-27T10:11:12Z",
          celsius: 21.5
        }
        const answer = yield* Effect.promise(() =>
          fetch(`${url}/streams/readings/events`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify([event])
          })
        )
        assert.strictEqual(answer.status, 200)
        yield* Effect.promise(() => program.printed(/committed 1 row up to readings\/0\/0/))
        const queried = yield* inProject("npx", [
          "floe",
          "query",
          "--format",
          "json",
          "SELECT date_trunc('hour', measured_at) AS hour, avg(celsius) AS mean FROM readings GROUP BY 1"
        ])
        assert.deepStrictEqual(JSON.parse(queried.out), [{ hour: "2026-11-27T10:00:00Z", mean: 21.5 }], queried.err)
        program.signal("SIGTERM")
        assert.deepStrictEqual(yield* Effect.promise(() => program.ended), { code: 0, signal: null })
      }),
    60_000
  )

  it.live(
    "has types for the editor: the user's module type-checks, with the types that user code sees",
    () =>
      Effect.gen(function* () {
        const strict = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false }
        const modules = {
          target: "es2024",
          module: "nodenext",
          noEmit: true,
          types: [],
          allowImportingTsExtensions: true
        }
        writeFileSync(
          join(project, "tsconfig.json"),
          JSON.stringify({ compilerOptions: { ...strict, ...modules }, files: ["floe.streams.ts", "use.ts"] })
        )
        writeFileSync(
          join(project, "use.ts"),
          `import { Column, Partition, Processor, Stream, Window } from "floe"
import { given } from "floe/testing"
import { Schema } from "effect"
import { Readings } from "./floe.streams.ts"
type Reading = (typeof Readings)["schema"]["Type"]
export const reading: Reading = { device: "", measured_at: "", celsius: 1, price: "1.50", tags: ["a"], accepted: "" }
export const millis: number = Column.toMillis(reading.measured_at)
export const Counts = Stream.make("counts", { schema: Schema.Struct({ n: Column.long }), partitionBy: [Partition.bucket("n", 4)] })
export const count: (typeof Counts)["schema"]["Type"] = { n: 5n }
const schema = Schema.Struct({ a: Schema.String })
// @ts-expect-error: a key is a column
Stream.make("no", { schema, key: "b" })
// @ts-expect-error: so is what a table is partitioned by
Stream.make("no", { schema, partitionBy: [Partition.day("b")] })
// @ts-expect-error: there is no such type
Column.nothing
const window = {
  from: Readings,
  time: (r: Reading) => r.measured_at,
  window: Window.tumbling("1 hour"),
  state: Schema.Struct({ n: Column.long }),
  zero: { n: 0n },
  add: (s: { readonly n: bigint }) => ({ n: s.n + 1n }),
  to: Counts
}
export const Hourly = Processor.window("hourly", { ...window, emit: (_, __, { n }) => ({ n }) })
// @ts-expect-error: the output has other columns
Processor.window("hourly", { ...window, emit: () => ({ m: 1 }) })
given(Hourly, [reading]).then([])
`
        )
        const checked = yield* inProject(process.execPath, [
          join(root, "node_modules", "typescript", "bin", "tsc"),
          "--project",
          join(project, "tsconfig.json")
        ])
        assert.deepStrictEqual([checked.code, checked.out], [0, ""])
      }),
    60_000
  )

  it.live("tests a processor in a runner of the project's own", () =>
    Effect.gen(function* () {
      writeFileSync(
        join(project, "hourly.test.mjs"),
        `import { test } from "node:test"
import { Schema } from "effect"
import { Column, Processor, Stream, Window } from "floe"
import { given } from "floe/testing"
const Events = Stream.make("events", { schema: Schema.Struct({ k: Schema.String, at: Column.timestamptz }), key: "k" })
const Counts = Stream.make("counts", { schema: Schema.Struct({ k: Schema.String, n: Column.long }) })
const Hourly = Processor.window("hourly", {
  from: Events, time: (e) => e.at, window: Window.tumbling("1 hour"),
  state: Schema.Struct({ n: Column.long }), zero: { n: 0n }, add: (s) => ({ n: s.n + 1n }),
  to: Counts, emit: (k, w, { n }) => ({ k, n })
})
const events = ["10:00", "10:59", "11:00"].map((time) => ({ k: "a", at: \`2026-11-27T\${time}:00Z\` }))
test("right", () => given(Hourly, events).then([{ k: "a", n: 2 }]))
test("wrong", () => given(Hourly, events).then([{ k: "a", n: 3 }]))
`
      )
      const { out } = yield* inProject(process.execPath, ["--test", "--test-reporter=tap", "hourly.test.mjs"])
      assert.match(out, /^ok 1 - right$/m)
      assert.match(out, /^not ok 2 - wrong$/m)
    })
  )

  it.live("gives a module its own copy of effect and of floe, wherever the module's folder leads", () =>
    Effect.gen(function* () {
      const folder = mkdtempSync(join(tmpdir(), "floe-elsewhere-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
      writeFileSync(
        join(folder, "floe.streams.mjs"),
        `import { Stream } from "floe"
import * as effect from "effect"
import * as module from "effect/Schema"
import { Schema } from "effect"
console.log(import.meta.resolve("effect"), import.meta.resolve("effect/Schema"), import.meta.resolve("floe"), module.Struct === Schema.Struct)
export const Some = Stream.make("some", { schema: Schema.Struct({ a: Schema.String }) })
`
      )
      for (const [floe, effect, streams] of [
        [join(root, "bin", "floe.js"), join(root, "node_modules", "effect"), join(root, "dist", "streams")],
        [join(installed, "bin", "floe.js"), join(project, "node_modules", "effect"), join(installed, "dist", "streams")]
      ] as const) {
        const command = run(
          process.execPath,
          [floe, "streams", "check"],
          { FLOE_STREAMS: "floe.streams.mjs" },
          { cwd: folder }
        )
        const { code, err } = yield* Effect.flatMap(command, result)
        assert.strictEqual(code, 0, err)
        assert.strictEqual(
          err,
          `file://${effect}/dist/index.js file://${effect}/dist/Schema.js file://${streams}/index.js true\n`
        )
      }
    })
  )
})
