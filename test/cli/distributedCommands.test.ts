import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { size } from "../../layers/cli/terminal/listing.ts"
import { plural } from "../../layers/runtime/plural.ts"
import connect from "../recorded/connect.json" with { type: "json" }
import trino from "../recorded/trino.json" with { type: "json" }
import { temporaryFolder } from "../support/dataFolder.ts"
import { type Answer, serving } from "../support/httpService.ts"
import { freePort, floe as inProfile } from "../support/program.ts"

const floe = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.map(inProfile(args, { FLOE_PROFILE: "distributed", ...env }), ({ code, out, err }) => ({
    code,
    output: out + err
  }))

const connector = (answers: Record<string, Answer>) =>
  serving(({ method, url }) => answers[`${method} ${url}`] ?? { status: 202, body: "" })

describe("the commands of the distributed profile", () => {
  it.live("require it, and report that in one sentence", () =>
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

  it.live("check takes a processor with a key of its own, however many partitions there are", () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      writeFileSync(
        join(cwd, "floe.streams.ts"),
        `import { Column, Processor, Stream } from "floe"
import { Schema } from "effect"
export const A = Stream.make("a", { schema: Schema.Struct({ x: Schema.String }) })
export const B = Stream.make("b", { schema: Schema.Struct({ x: Schema.String, n: Column.int }) })
export const Counts = Processor.fold("counts", {
  from: A, to: B, key: ({ x }) => x, state: Schema.Struct({ n: Column.int }), zero: { n: 0 },
  add: ({ n }) => ({ n: n + 1 }), emit: (x, s) => s && { x, n: s.n }
})`
      )
      const check = (env: Record<string, string>) => inProfile(["streams", "check"], env, { cwd })
      const distributed = { FLOE_PROFILE: "distributed" }
      assert.strictEqual((yield* check({ ...distributed, FLOE_PARTITIONS: "4" })).code, 0)
      assert.strictEqual((yield* check({ ...distributed, FLOE_PARTITIONS: "1" })).code, 0)
      assert.strictEqual((yield* check({ FLOE_PARTITIONS: "4" })).code, 0)
    })
  )

  it.live("connector status prints states and the reason for a failure, and exits with 1", () =>
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
        /is not running \(task 0 is FAILED\); .*floe connector restart iceberg-sink --only-failed\.\n$/
      )
      const missing = yield* floe(["connector", "status", "other"], env)
      assert.deepStrictEqual(missing, {
        code: 1,
        output: "There is no connector other; create it with floe connector register.\n"
      })
    })
  )

  it.live(
    "connector register sends the sink's settings merged with a file, and prints Connect's messages by field",
    () =>
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
        const rejected = yield* floe(["connector", "register"], { FLOE_CONNECT_URL: bad.base })
        assert.strictEqual(rejected.code, 1)
        assert.include(
          rejected.output,
          "\n  key.converter: Invalid value no.such.Class for configuration key.converter"
        )
        writeFileSync(file, '{"tasks.max": [2]}')
        assert.strictEqual((yield* floe(["connector", "register", "--config", file])).code, 2)
      }).pipe(Effect.scoped)
  )

  it.live("table create waits while Trino is starting, up to --wait", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(({ method }, base) => {
        const page = trino.starting[method === "POST" ? 0 : 1] ?? ""
        return { status: 200, body: page.replaceAll("{base}", base) }
      })
      const { code, output } = yield* floe(["table", "create", "--wait", "2"], { FLOE_TRINO_URL: base })
      assert.strictEqual(code, 1)
      assert.match(
        output,
        /^Waiting \([01] of 2 s\): .*Trino is still starting.*\n(Waiting.*\n)*The table cannot be queried: .*\.\n$/
      )
    })
  )

  it.live("query reports that a statement without a result is done", () =>
    Effect.gen(function* () {
      const paths = trino.created.map((page) => /"nextUri":"\{base\}([^"]*)"/.exec(page)?.[1])
      const { base } = yield* serving(({ method, url }, base) => {
        const page = trino.created[method === "POST" ? 0 : paths.indexOf(url) + 1] ?? ""
        return { status: 200, body: page.replaceAll("{base}", base) }
      })
      const printed = (format: string) =>
        floe(["query", "--format", format, "CREATE TABLE t (a integer)"], { FLOE_TRINO_URL: base })
      assert.deepStrictEqual(yield* Effect.all(["table", "csv", "json", "ndjson"].map(printed)), [
        { code: 0, output: "Done; the statement returned no rows.\n" },
        { code: 0, output: "" },
        { code: 0, output: "[]\n" },
        { code: 0, output: "" }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("an address without http:// is rejected with the reason", () =>
    Effect.gen(function* () {
      const { code, output } = yield* floe(["query", "SELECT 1"], { FLOE_TRINO_URL: "localhost:8080" })
      assert.deepStrictEqual(
        { code, output },
        {
          code: 1,
          output: "FLOE_TRINO_URL is invalid: expected an address that begins with http:// or https://.\n"
        }
      )
    })
  )

  it.live(
    "status lists everything that is down and what to do about it, and exits with 1",
    () =>
      Effect.gen(function* () {
        const places = yield* Effect.forEach(Array.from({ length: 8 }), () =>
          Effect.map(freePort, (port) => `127.0.0.1:${port}`)
        )
        const [server, kafka, zookeeper, connect, metastore, postgres, minio, trino] = places
        const env = {
          FLOE_TARGET: `http://${server}`,
          FLOE_KAFKA_BROKERS: `${kafka}`,
          FLOE_ZOOKEEPER: `${zookeeper}`,
          FLOE_CONNECT_URL: `http://${connect}`,
          FLOE_METASTORE_URI: `thrift://${metastore}`,
          FLOE_POSTGRES: `${postgres}`,
          FLOE_S3_ENDPOINT: `http://${minio}`,
          FLOE_TRINO_URL: `http://${trino}`
        }
        const started = performance.now()
        const { code, output } = yield* floe(["status"], env)
        assert.isBelow(performance.now() - started, 30_000)
        assert.strictEqual(code, 1)
        const names = [
          "zookeeper",
          "kafka",
          "server",
          "connect",
          "connector",
          "metastore",
          "postgres",
          "minio",
          "trino"
        ]
        const lines = output.split("\n").slice(2, 2 + names.length)
        for (const [i, name] of names.entries()) assert.match(lines[i] ?? "", new RegExp(`^  ${name} +down +\\d+ ms +`))
        for (const [name, advice] of [
          ["zookeeper", "FLOE_ZOOKEEPER to its address, or to none"],
          ["connect", "FLOE_CONNECT_URL to its address"],
          ["connector", "FLOE_CONNECT_URL to its address"],
          ["metastore", "FLOE_METASTORE_URI to its address"]
        ]) {
          assert.match(
            output,
            new RegExp(`^  ${name} .*nothing answers at .*\\(nothing listens there\\); start it.* ${advice}$`, "m")
          )
        }
        assert.match(output, /\n {2}committed +unknown\n {2}lag +unknown\n/)
        assert.include(output, `${names.join(", ")} are down; run floe doctor to see what to do.\n`)

        const none = yield* floe(["status", "--json"], { ...env, FLOE_ZOOKEEPER: "none", FLOE_POSTGRES: "none" })
        assert.strictEqual(none.code, 1)
        assert.notMatch(none.output, /zookeeper|postgres/)
        const wrong = yield* floe(["status"], { ...env, FLOE_ZOOKEEPER: "localhost" })
        assert.match(
          wrong.output,
          /^FLOE_ZOOKEEPER is invalid: expected a host and port \(for example .*\) or none\.\n$/
        )
      }),
    60_000
  )

  it.live("doctor reports what is down and how to fix it, also where the Kafka client is not installed", () =>
    Effect.gen(function* () {
      const hook = join(yield* temporaryFolder, "without.mjs")
      writeFileSync(
        hook,
        `import { registerHooks } from "node:module"
        registerHooks({ resolve: (name, context, next) => {
          if (name === "@confluentinc/kafka-javascript") throw Object.assign(new Error(name), { code: "ERR_MODULE_NOT_FOUND" })
          return next(name, context)
        } })`
      )
      const nobody = `127.0.0.1:${yield* freePort}`
      const { code, output } = yield* floe(["doctor"], {
        NODE_OPTIONS: `--import=${hook}`,
        FLOE_TARGET: `http://${nobody}`,
        FLOE_KAFKA_BROKERS: nobody,
        FLOE_ZOOKEEPER: nobody,
        FLOE_CONNECT_URL: `http://${nobody}`,
        FLOE_METASTORE_URI: `thrift://${nobody}`,
        FLOE_POSTGRES: nobody,
        FLOE_S3_ENDPOINT: `http://${nobody}`,
        FLOE_TRINO_URL: `http://${nobody}`
      })
      assert.strictEqual(code, 1)
      const failed = ["zookeeper", "kafka", "storage", "postgres", "metastore", "trino"]
      assert.deepStrictEqual(
        [...output.matchAll(/^FAIL (\w+)/gm)].map(([, name]) => name),
        failed
      )
      assert.include(output, `Checks failed: ${failed.join(", ")}.\n`)
      for (const service of ["zookeeper", "kafka", "minio", "postgres", "hive-metastore", "trino"]) {
        const fix = `\`docker compose up --detach --wait ${service}\`; if that does not help, docker compose logs ${service} shows why.`
        assert.include(output, `  → ${fix}\n`)
      }
      assert.match(output, /^-- {3}topics +Not checked: fix kafka first\.$/m)
    }).pipe(Effect.scoped)
  )

  it.live("storage ls prints sizes and the totals of each partition", () =>
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
      assert.deepStrictEqual(
        lines.map(({ place: _, ...line }) => line),
        [
          { type: "folder", path: "default/weather/data/", files: 2, bytes: 2048 },
          { type: "folder", path: "default/weather/metadata/", files: 1, bytes: 7 },
          { type: "total", files: 3, bytes: 2055 }
        ]
      )
      const root = yield* floe(["storage", "ls"], env)
      assert.match(root.output, /^ +2\.0 KiB +3 files {2}default\/\n +2\.0 KiB {2}.*warehouse, 3 files\n$/)
      const nothing = yield* floe(["storage", "ls", "else"], env)
      assert.strictEqual(nothing.code, 1)
      assert.match(nothing.output, /^There is nothing at .*warehouse\/else\.\n$/)
    }).pipe(Effect.scoped)
  )
})

it("counts are formatted for people", () => {
  assert.deepStrictEqual(
    [0, 1, 2, 12_345].map((count) => plural(count, "event")),
    ["0 events", "1 event", "2 events", "12,345 events"]
  )
  assert.strictEqual(plural(1, "row is", "rows are"), "1 row is")
})

it("sizes are formatted for people", () => {
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
