/** A damaged table is rebuilt from the log and promoted while the server keeps running. */
import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { floe as command } from "../support/program.ts"
import { docker, root, shell } from "./docker.ts"
import { metadataMoves } from "./tablePlace.ts"
import { landed, load, logAll, trino, until } from "./weather.ts"

const mark = randomUUID()
const prefix = `replay-${mark}`
const wrong = `wrong-${mark}`
const table = `replay_${mark.slice(0, 8)}`
const env = { FLOE_PROFILE: "distributed" }
const limit = { timeout: 240_000 }

const promote = ["rebuild", "--into", table, "--promote"]
/** `damage` acts like another writer. */
const promoteAnyway = [...promote, "--discard-other-writers"]

const floe = (...args: ReadonlyArray<string>) => Effect.runPromise(command(args, env))

const killed: Array<ChildProcess> = []
/** A process that the test kills. */
const start = (...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [join(root, "bin", "floe.js"), ...args], {
    env: { ...process.env, ...env },
    stdio: "ignore"
  })
  killed.push(child)
  return child
}
const kill = async (child: ChildProcess) => {
  assert.isNull(child.exitCode, "it must not have ended by itself")
  child.kill("SIGKILL")
  const [, signal] = await once(child, "exit")
  assert.strictEqual(signal, "SIGKILL", "it must not have ended by itself")
}

const kafka = (tool: string, ...args: ReadonlyArray<string>) =>
  docker("exec", "kafka", tool, "--bootstrap-server", "localhost:9092", ...args)

const connect = async (path: string): Promise<unknown> => (await fetch(`http://localhost:8083${path}`)).json()
const stateOf = async (connector: string) => JSON.stringify(await connect(`/connectors/${connector}/status`))
const isRunning = (state: string) => /"connector":\{"state":"RUNNING".*"tasks":\[\{"id":0,"state":"RUNNING"/.test(state)

const rowsOf = async (name: string, version = "") =>
  (await trino(`SELECT city, temperature, ts FROM iceberg.default.${name} ${version} WHERE city LIKE '%${mark} %'`))
    .map((row) => row.join("\t"))
    .sort()

/** The log as Kafka's own reader sees it. */
const logged = async () => {
  const [, , end = ""] = (await kafka("kafka-get-offsets", "--topic", "weather")).trim().split(":")
  // The log never goes quiet, because the stack's own client keeps sending.
  const topic = `--topic weather --partition 0 --offset earliest --max-messages ${end}`
  const lines = await shell(
    `docker exec kafka bash -c "kafka-console-consumer --bootstrap-server localhost:9092 ${topic} 2>/dev/null | grep -aF '${mark} '"`
  )
  return lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ city, temperature, ts }) => [city, temperature, ts].join("\t"))
    .sort()
}

const currentSnapshot = async () =>
  (await trino(`SELECT snapshot_id FROM iceberg.default."weather$refs" WHERE name = 'main'`))[0]?.[0] ?? ""

const changed = (sql: string) =>
  until(
    sql,
    () => trino(sql),
    () => true,
    { seconds: 60 }
  )

/** Removes every second row, and adds one that was never logged. */
const damage = async () => {
  await changed(`DELETE FROM iceberg.default.weather WHERE city LIKE '${prefix} %' AND city LIKE '%1'`)
  await changed(`INSERT INTO iceberg.default.weather VALUES ('${wrong} 0', '0', '2026-01-08-14')`)
}

const nothingLeft = async () => {
  assert.notInclude(JSON.stringify(await connect("/connectors")), table)
  assert.notInclude(await kafka("kafka-topics", "--list"), table)
  assert.notInclude(await kafka("kafka-consumer-groups", "--list"), table)
}

beforeAll(async () => {
  const readings = Array.from({ length: 200 }, (_, i) => ({ city: `${prefix} ${i}`, temperature: `${i}.5` }))
  const { rows, wanted } = await landed(prefix, await logAll(readings))
  assert.deepStrictEqual(rows, wanted)
  await damage()
}, 240_000)

afterAll(async () => {
  for (const child of killed) child.kill("SIGKILL")
  await fetch(`http://localhost:8083/connectors/replay-${table}`, { method: "DELETE" })
  await fetch("http://localhost:8083/connectors/iceberg-sink/resume", { method: "PUT" })
  await trino(`DROP TABLE IF EXISTS iceberg.default.${table}`)
}, 60_000)

test("killed in the middle, it resumes, and each event of the log is in the new table once", limit, async () => {
  const first = start("rebuild", "--into", table)
  // From the start and again and again, so that it cannot be finished before it is killed.
  const pausing = setInterval(
    () => void fetch(`http://localhost:8083/connectors/replay-${table}/pause`, { method: "PUT" }).catch(() => {}),
    100
  )
  try {
    await until(
      "its connector",
      () => stateOf(`replay-${table}`),
      (state) => state.includes('"connector":{"state"'),
      { every: 200 }
    )
    const other = await floe("rebuild", "--into", `${table}_3`)
    assert.strictEqual(other.code, 1)
    assert.match(other.err, /^Another floe rebuild is running /)
    assert.deepStrictEqual(await trino(`SHOW TABLES FROM iceberg.default LIKE '${table}_3'`), [])
    await kill(first)
  } finally {
    clearInterval(pausing)
  }
  const { code, out, err } = await floe("rebuild", "--into", table, "--json")
  assert.strictEqual(code, 0, err)
  const { events, total } = JSON.parse(out)
  assert.deepStrictEqual(await rowsOf(table), await logged())
  assert.deepStrictEqual(await trino(`SELECT count(*) FROM iceberg.default.${table}`), [[String(events)]])
  assert.isAtLeast(total, events)
  assert.notInclude(JSON.stringify(await connect("/connectors")), table)
  assert.notInclude(await kafka("kafka-consumer-groups", "--list"), table)
  assert.notDeepEqual(await rowsOf("weather"), await rowsOf(table))
})

test("what must not be done is rejected", limit, async () => {
  const foreign = `${table}_2`
  await trino(`CREATE TABLE iceberg.default.${foreign} (city varchar, temperature varchar, ts varchar)`)
  try {
    for (const [name, reason] of [
      ["weather", /^weather is the table that the sink writes; .*\n$/],
      [table, /^The rebuild into \w+ is already complete: --promote puts it in place\. .*\n$/],
      [foreign, /^There is already a table default\.\w+, .*\n$/]
    ] as const) {
      const { code, err } = await floe("rebuild", "--into", name)
      assert.strictEqual(code, 1)
      assert.match(err, reason)
    }
    assert.isTrue(isRunning(await stateOf("iceberg-sink")))
  } finally {
    await trino(`DROP TABLE iceberg.default.${foreign}`)
  }
})

test("promoted under load, it lets readers see the old table or the new one", limit, async () => {
  const rejected = await floe(...promote)
  assert.strictEqual(rejected.code, 1)
  assert.match(rejected.err, /--discard-other-writers/)
  const sending = load(`load-${mark}`, 20)
  const before = await currentSnapshot()
  const old = await rowsOf("weather", `FOR VERSION AS OF ${before}`)
  let promoted = false
  const seen: Array<number> = []
  const watching = (async () => {
    while (!promoted) {
      const sql = `SELECT count(*) FROM iceberg.default.weather WHERE city LIKE '${prefix} %'`
      seen.push(Number((await trino(sql))[0]?.[0]))
    }
  })()
  const { code, out, err } = await floe(...promoteAnyway)
  promoted = true
  await watching
  assert.strictEqual(code, 0, err)
  assert.match(
    out,
    new RegExp(`default\\.${table} is in place of default\\.weather: [\\d,]+ rows, the log up to 0/\\d+ `)
  )
  assert.deepStrictEqual(
    seen.filter((count) => count !== 180 && count !== 200),
    [],
    "never in between"
  )
  const { rows, wanted } = await landed(`load-${mark}`, await sending.stop())
  assert.deepStrictEqual(rows, wanted)
  assert.deepStrictEqual(await rowsOf("weather"), await logged())
  assert.deepStrictEqual(await rowsOf("weather", `FOR VERSION AS OF ${before}`), old)
  assert.isTrue(isRunning(await stateOf("iceberg-sink")))
  await nothingLeft()
})

test("the table is as it was made: its place, its columns, its partitions", limit, async () => {
  const [[file = ""] = []] = await trino(
    `SELECT file FROM iceberg.default."weather$metadata_log_entries" ORDER BY timestamp DESC LIMIT 1`
  )
  const path = file.replace(/^s3a?:\/\//, "myminio/")
  assert.match(path, /^myminio\/warehouse\/default\/weather\/metadata\//)
  const metadata = JSON.parse(await docker("exec", "minio", "mc", "cat", path))
  assert.strictEqual(metadata.location, "s3a://warehouse/default/weather")
  assert.strictEqual(metadata["format-version"], 2)
  const schema = metadata.schemas.find(
    (one: { "schema-id": number }) => one["schema-id"] === metadata["current-schema-id"]
  )
  assert.deepStrictEqual(schema.fields, [
    { id: 1, name: "city", required: false, type: "string" },
    { id: 2, name: "temperature", required: false, type: "string" },
    { id: 3, name: "ts", required: false, type: "string" }
  ])
  const spec = metadata["partition-specs"].find(
    (one: { "spec-id": number }) => one["spec-id"] === metadata["default-spec-id"]
  )
  assert.deepInclude(spec.fields[0], { "source-id": 3, transform: "identity" })
})

test("killed right after the promotion, the same command completes it", limit, async () => {
  await trino(`DROP TABLE iceberg.default.${table}`)
  await damage()
  const sending = load(`kill-${mark}`, 20)
  const moves = metadataMoves("weather")
  const promoting = start(...promoteAnyway)
  await until(
    "both connectors stopped",
    async () => (await stateOf("iceberg-sink")) + (await stateOf(`replay-${table}`)),
    (states) => states.match(/"STOPPED"/g)?.length === 2,
    { every: 100 }
  )
  await moves.next()
  await kill(promoting)
  moves.stop()
  assert.include(await stateOf("iceberg-sink"), '"connector":{"state":"STOPPED"')
  const { code, err } = await floe(...promoteAnyway)
  assert.strictEqual(code, 0, err)
  const { rows, wanted } = await landed(`kill-${mark}`, await sending.stop())
  assert.deepStrictEqual(rows, wanted)
  assert.deepStrictEqual(await rowsOf("weather"), await logged())
  await nothingLeft()
})
