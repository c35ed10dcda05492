/** `floe doctor` on what brings the topic into the table: each fault is caused, named and fixed, and nothing is lost by it. */
import { randomUUID } from "node:crypto"
import { writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { startFloe } from "../support/program.ts"
import { docker } from "./docker.ts"
import {
  commandsOf,
  done,
  failures,
  floe,
  foundWithin,
  lockTable,
  named,
  repaired,
  unlockTable,
  untilHealthy,
  untilNamed
} from "./doctor.ts"
import { landed, log, trino, until } from "./weather.ts"

const timeout = 400_000
const prefix = `doctor-${randomUUID()}`

const withoutCopy = () => trino("DROP TABLE IF EXISTS iceberg.default.weather_again")

beforeAll(async () => {
  // Other tests have left what another writer did.
  await repaired()
  // What other tests put in place of the table leaves its name, and doctor would advise another one.
  await withoutCopy()
}, 700_000)

/** In a file, as `--config` takes them. */
const settings = (values: Readonly<Record<string, string>>) => {
  const file = join(tmpdir(), `${prefix}.json`)
  writeFileSync(file, JSON.stringify(values))
  return file
}

test("the connector is paused, has other settings, or its task fails", { timeout }, async () => {
  await done("connector", "pause")
  const paused = await until("it is paused", failures, ({ connector = [] }) =>
    /PAUSED/.test(connector[0]?.finding ?? "")
  )
  named(paused, { connector: [/^The connector iceberg-sink is PAUSED\.$/] })
  assert.strictEqual(paused.connector?.[0]?.fix, "floe connector resume")
  await done("connector", "resume")

  await done("connector", "register", "--config", settings({ "iceberg.catalog.uri": "thrift://nowhere:9083" }))
  // Its watcher restarts it, again and again.
  const failed = await until("its task fails", failures, ({ connector = [] }) =>
    /has failed/.test(connector[1]?.finding ?? "")
  )
  named(failed, {
    connector: [
      /iceberg\.catalog\.uri is "thrift:\/\/nowhere:9083", not /,
      /^Task 0 of the connector iceberg-sink has failed: .*Caused by: .*nowhere/
    ]
  })
  assert.strictEqual(failed.connector?.[0]?.fix, "floe connector register")
  await done("connector", "register")
})

test("the connector runs and commits nothing: somebody who lives holds a lock on the table", { timeout }, async () => {
  await lockTable(0)
  const heartbeat = setInterval(() => void lockTable(0).catch(() => {}), 5_000)
  try {
    const row = await log({ city: `${prefix} waiting`, temperature: "1" })
    const [found] = await until(
      "what waits is named",
      () => foundWithin({ commitLagLimit: Duration.seconds(15) }, "commits"),
      ([found]) => /is running but commits nothing/.test(found?.finding ?? "")
    )
    assert.match(
      found?.finding ?? "",
      /event \d+ of partition 0 has been in the topic for \d+ s; the last commit was \d+ s ago/
    )
    assert.strictEqual((await floe(["connector", "status"])).code, 0)
    assert.deepStrictEqual(await foundWithin({}, "locks"), [])
    clearInterval(heartbeat)
    await unlockTable()
    const { rows, wanted } = await landed(prefix, [row])
    assert.deepStrictEqual(rows, wanted)
  } finally {
    clearInterval(heartbeat)
    await unlockTable()
  }
  await untilHealthy()
})

const rebuild = ["rebuild", "--into", "weather_again", "--promote"]

/** It is killed as soon as it has stopped the connector. */
const brokenOff = Effect.gen(function* () {
  yield* startFloe(rebuild, { FLOE_PROFILE: "distributed" })
  const state = async () => (await fetch("http://localhost:8083/connectors/iceberg-sink/status")).text()
  const isStopped = (status: string) => status.includes('"connector":{"state":"STOPPED"')
  yield* Effect.promise(() => until("the connector is stopped", state, isStopped, { every: 100 }))
}).pipe(Effect.scoped)

const minio = (from: string, to: string) => docker("exec", "minio", "mv", from, to)

test("no connector; no bucket; no table; the control topic was wiped and the table kept; a promotion was interrupted", {
  timeout: 600_000
}, async () => {
  const rows = await Promise.all(
    Array.from({ length: 20 }, (_, i) => log({ city: `${prefix}-wiped ${i}`, temperature: "1" }))
  )
  await done("connector", "delete")
  const missing = /^There is no connector iceberg-sink\.$/
  await minio("/data/warehouse", "/data/.minio.sys/tmp/warehouse")
  try {
    named(await failures(), { storage: [/^There is no warehouse s3:\/\/warehouse;/], connector: [missing] })
  } finally {
    await minio("/data/.minio.sys/tmp/warehouse", "/data/warehouse")
  }
  await trino("ALTER TABLE iceberg.default.weather RENAME TO weather_away")
  try {
    named(await failures(), { table: [/^There is no table default\.weather\.$/], connector: [missing] })
  } finally {
    await trino("ALTER TABLE iceberg.default.weather_away RENAME TO weather")
  }
  await docker(
    "exec",
    "kafka",
    "kafka-topics",
    "--bootstrap-server",
    "localhost:9092",
    "--delete",
    "--topic",
    "control-iceberg"
  )
  named(await failures(), { topics: [/^There is no topic control-iceberg\.$/], connector: [missing] })
  await done("topics", "create")
  await done("connector", "register")

  const wiped = await untilNamed("offsets")
  named(wiped, {
    offsets: [/^The table's newest snapshot is at offset \d+ of the topic control-iceberg, which ends at \d+:/]
  })
  assert.match(wiped.offsets?.[0]?.fix ?? "", /^`floe rebuild --into weather_again --promote` /)
  await Effect.runPromise(brokenOff)
  try {
    const { connector = [] } = await failures()
    assert.match(connector[0]?.finding ?? "", /is STOPPED by floe rebuild --promote, .* or was interrupted\.$/)
    assert.deepStrictEqual(commandsOf(connector[0]?.fix ?? ""), [`floe ${rebuild.join(" ")}`])
  } finally {
    await done(...rebuild)
  }
  await untilHealthy()
  const after = await landed(`${prefix}-wiped`, rows)
  assert.deepStrictEqual(after.rows, after.wanted)
})

afterAll(async () => {
  await done("connector", "register")
  await withoutCopy()
})
