import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { size } from "../layers/cli/Listing.ts"
import { temporaryFolder } from "./dataFolder.ts"
import { type Answer, serving } from "./httpService.ts"
import { built, run } from "./program.ts"
import connect from "./recorded/connect.json" with { type: "json" }
import trino from "./recorded/trino.json" with { type: "json" }

const floe = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Record<string, string> = {}) {
  const program = yield* run(process.execPath, [built("admin"), ...args], { FLOE_PROFILE: "distributed", ...env })
  const { code } = yield* Effect.promise(() => program.ended)
  return { code, output: program.output() }
}, Effect.scoped)

const connector = (answers: Record<string, Answer>) =>
  serving(({ method, url }) => answers[`${method} ${url}`] ?? { status: 202, body: "" })

describe("the commands of the distributed profile", () => {
  it.live("need it, and say so in a sentence", () =>
    Effect.gen(function* () {
      for (const args of [
        ["table", "create"],
        ["connector", "register"],
        ["connector", "restart"]
      ]) {
        const { code, output } = yield* floe(args, { FLOE_PROFILE: "embedded" })
        assert.strictEqual(code, 1)
        assert.match(
          output,
          /^This needs the distributed profile \(FLOE_PROFILE=distributed\); in the embedded one .*\.\n$/
        )
      }
    })
  )

  it.live("connector status prints states and the reason of a failure, and exits with 1", () =>
    Effect.gen(function* () {
      const { base } = yield* connector({
        "GET /connectors/iceberg-sink/status": connect.failed,
        "GET /connectors/other/status": connect.noStatus,
        "GET /connectors/other/config": connect.noConfig
      })
      const env = { FLOE_CONNECT_URL: base }
      const failed = yield* floe(["connector", "status"], env)
      assert.strictEqual(failed.code, 1)
      const lines = failed.output.split("\n")
      assert.strictEqual(lines[0], "iceberg-sink  RUNNING  on connect:8083")
      assert.strictEqual(lines[1], "  task 0  FAILED  on connect:8083")
      assert.include(lines[2] ?? "", "ConnectException: Couldn't find or create file '/no/such/folder/f'")
      assert.include(failed.output, "Caused by: java.nio.file.NoSuchFileException")
      assert.notInclude(failed.output, "\tat ")
      assert.match(
        failed.output,
        /does not run \(task 0 is FAILED\); .*floe connector restart iceberg-sink --only-failed\.\n$/
      )
      const missing = yield* floe(["connector", "status", "other"], env)
      assert.deepStrictEqual(missing, {
        code: 1,
        output: "There is no connector other; make it with floe connector register.\n"
      })
    })
  )

  it.live("connector register sends the sink's settings with what a file adds, or Connect's messages by field", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "more.json")
      writeFileSync(file, '{"tasks.max": 2, "errors.log.enable": false}')
      const plugin = "PUT /connector-plugins/org.apache.iceberg.connect.IcebergSinkConnector/config/validate"
      const config = "GET /connectors/iceberg-sink/config"
      const good = yield* connector({ [plugin]: connect.valid, [config]: connect.noConfig })
      const done = yield* floe(["connector", "register", "--config", file], { FLOE_CONNECT_URL: good.base })
      assert.deepStrictEqual(done, { code: 0, output: "The connector iceberg-sink is registered.\n" })
      const put = good.seen.at(-1)
      assert.strictEqual(put?.url, "/connectors/iceberg-sink/config")
      const sent = JSON.parse(put?.body ?? "")
      assert.strictEqual(sent.name, "iceberg-sink")
      assert.strictEqual(sent["tasks.max"], "2")
      assert.strictEqual(sent["errors.log.enable"], "false")
      assert.strictEqual(sent["iceberg.tables"], "default.weather")
      const bad = yield* connector({ [plugin]: connect.invalid })
      const refused = yield* floe(["connector", "register"], { FLOE_CONNECT_URL: bad.base })
      assert.strictEqual(refused.code, 1)
      assert.include(refused.output, "\n  key.converter: Invalid value no.such.Class for configuration key.converter")
      writeFileSync(file, '{"tasks.max": [2]}')
      assert.strictEqual((yield* floe(["connector", "register", "--config", file])).code, 2)
    }).pipe(Effect.scoped)
  )

  it.live("table create waits while Trino is starting, as long as it may", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(({ method }, base) => {
        const page = trino.starting[method === "POST" ? 0 : 1] ?? ""
        return { status: 200, body: page.replaceAll("{base}", base) }
      })
      const { code, output } = yield* floe(["table", "create", "--wait", "2"], { FLOE_TRINO_URL: base })
      assert.strictEqual(code, 1)
      assert.match(
        output,
        /^Waiting \(0 of 2 s\): .*Trino is still starting.*\n(Waiting.*\n)*The table cannot be queried: .*\.\n$/
      )
    })
  )

  it.live("query says that a statement without a result is done", () =>
    Effect.gen(function* () {
      const paths = trino.created.map((page) => /"nextUri":"\{base\}([^"]*)"/.exec(page)?.[1])
      const { base } = yield* serving(({ method, url }, base) => {
        const page = trino.created[method === "POST" ? 0 : paths.indexOf(url) + 1] ?? ""
        return { status: 200, body: page.replaceAll("{base}", base) }
      })
      const printed = (format: string) =>
        floe(["query", "--format", format, "CREATE TABLE t (a integer)"], { FLOE_TRINO_URL: base })
      assert.deepStrictEqual(yield* Effect.all(["table", "csv", "json", "ndjson"].map(printed)), [
        { code: 0, output: "Done; the statement has no rows.\n" },
        { code: 0, output: "" },
        { code: 0, output: "[]\n" },
        { code: 0, output: "" }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("an address without http:// is named as what it is", () =>
    Effect.gen(function* () {
      const { code, output } = yield* floe(["query", "SELECT 1"], { FLOE_TRINO_URL: "localhost:8080" })
      assert.deepStrictEqual(
        { code, output },
        {
          code: 1,
          output:
            "FLOE_TRINO_URL cannot be used as it is set: expected an address that begins with http:// or https://.\n"
        }
      )
    })
  )

  it.live("storage ls prints sizes, and totals of each partition", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const files = {
        "data/ts=2026-01-08-14/a.parquet": 1536,
        "data/ts=2026-01-08-14/b.parquet": 512,
        "metadata/v1.json": 7
      }
      for (const [path, bytes] of Object.entries(files)) {
        const file = join(folder, "warehouse", "default", "weather", path)
        mkdirSync(join(file, ".."), { recursive: true })
        writeFileSync(file, "x".repeat(bytes))
      }
      const env = { FLOE_PROFILE: "embedded", FLOE_DATA: folder }
      const all = yield* floe(["storage", "ls", "/default/weather/", "-r"], env)
      assert.strictEqual(all.code, 0)
      const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`
      assert.match(all.output, new RegExp(`^ +1\\.5 KiB  ${time}  default/weather/data/ts=2026-01-08-14/a\\.parquet\n`))
      assert.match(
        all.output,
        /\n\n +2\.0 KiB {2}ts=2026-01-08-14, 2 files\n +2\.0 KiB {2}.*warehouse\/default\/weather, 3 files\n$/
      )
      const json = yield* floe(["storage", "ls", "default/weather", "--json"], env)
      const lines = json.output
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepStrictEqual(lines.slice(0, 2), [
        { type: "folder", path: "default/weather/data/" },
        { type: "folder", path: "default/weather/metadata/" }
      ])
      const nothing = yield* floe(["storage", "ls", "else"], env)
      assert.strictEqual(nothing.code, 1)
      assert.match(nothing.output, /^There is nothing at .*warehouse\/else\.\n$/)
    }).pipe(Effect.scoped)
  )
})

it("sizes for people", () => {
  assert.deepStrictEqual([0, 1023, 1024, 1536, 1024 ** 2, 5 * 1024 ** 3, 3000 * 1024 ** 4].map(size), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "1.0 MiB",
    "5.0 GiB",
    "3000.0 TiB"
  ])
})
