/**
 * What `floe doctor` advises, given to a shell word for word: afterwards it finds nothing, and `floe audit` finds each
 * event in the table once. Damage that takes long to fix, or that other tests cause as well, is left to
 * `npm run test:nightly:stack` (FLOE_NIGHTLY=1).
 */
import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, test } from "vitest"
import { nightly } from "../support/nightly.ts"
import { docker } from "./docker.ts"
import { done, failures, floe, lockTable, psql, repaired } from "./doctor.ts"
import { load, log, trino, until } from "./weather.ts"

const timeout = 900_000

const broker = "--bootstrap-server localhost:9092"
const kafka = (line: string) => docker("exec", "kafka", "bash", "-c", line)
const stopped = (container: string) => () => docker("stop", "--time", "5", container)
const connector = (path: string, method: string, body?: string) =>
  fetch(`http://localhost:8083/connectors/iceberg-sink${path}`, {
    method,
    ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } })
  })
const reconfigured = async (settings: Readonly<Record<string, string>>) => {
  const config = await (await connector("/config", "GET")).json()
  const { status } = await connector("/config", "PUT", JSON.stringify({ ...Object(config), ...settings }))
  assert.strictEqual(status, 200)
}

interface Case {
  readonly damage: string
  readonly cause: () => Promise<unknown>
  /** The check that finds it first. */
  readonly check: string
  readonly finding: RegExp
  /** What `floe audit` reports about it, although it passes. */
  readonly audit?: RegExp
  readonly slow?: boolean
}

const cases: ReadonlyArray<Case> = [
  ...["zookeeper", "kafka", "logging-server", "kafka-connect", "minio", "postgres", "hive-metastore", "trino"].map(
    (container): Case => ({
      damage: `${container} is stopped`,
      cause: stopped(container),
      check:
        { "logging-server": "server", "kafka-connect": "connect", minio: "storage", "hive-metastore": "metastore" }[
          container
        ] ?? container,
      finding: /./,
      slow: true
    })
  ),
  {
    damage: "the password of PostgreSQL was changed",
    cause: () => psql("ALTER USER hive PASSWORD 'another'"),
    check: "postgres",
    finding: /rejects the password of the user hive/
  },
  {
    damage: "a topic lets its records expire",
    cause: () =>
      kafka(
        `kafka-configs ${broker} --alter --entity-type topics --entity-name weather --add-config retention.ms=604800000`
      ),
    check: "retention",
    finding: /^The topic weather keeps .* 7 days/,
    slow: true
  },
  {
    damage: "the metastore puts tables elsewhere",
    cause: () => psql(`UPDATE "DBS" SET "DB_LOCATION_URI" = 's3a://elsewhere/default' WHERE "NAME" = 'default'`),
    check: "location",
    finding: /below s3a:\/\/elsewhere\/default/,
    slow: true
  },
  {
    damage: "a writer that is gone holds a lock",
    cause: () => lockTable(50),
    check: "locks",
    finding: /has had no heartbeat/
  },
  {
    damage: "the connector is paused",
    cause: () => connector("/pause", "PUT"),
    check: "connector",
    finding: /is PAUSED/,
    slow: true
  },
  {
    damage: "the connector is stopped",
    cause: () => connector("/stop", "PUT"),
    check: "connector",
    finding: /is STOPPED/,
    slow: true
  },
  {
    damage: "the connector was deleted",
    cause: () => connector("", "DELETE"),
    check: "connector",
    finding: /^There is no connector/
  },
  {
    damage: "the connector got more tasks by hand",
    cause: () => reconfigured({ "tasks.max": "3" }),
    check: "connector",
    finding: /tasks\.max is "3", not "1"/,
    slow: true
  },
  {
    damage: "its catalog is elsewhere, and its task fails",
    cause: () => reconfigured({ "iceberg.catalog.uri": "thrift://nowhere:9083" }),
    check: "connector",
    finding: /iceberg\.catalog\.uri is/,
    slow: true
  },
  {
    damage: "a column was added",
    cause: () => trino("ALTER TABLE iceberg.default.weather ADD COLUMN note varchar"),
    check: "table",
    finding: /its columns are \(.*note varchar\)/,
    slow: true
  },
  {
    damage: "the table names no topic, as those made before it was kept",
    // Trino takes no property away, but with the table.
    cause: async () => {
      const [[shown = ""] = []] = await trino("SHOW CREATE TABLE iceberg.default.weather")
      const rest = shown.replaceAll("\\n", "\n").slice(shown.replaceAll("\\n", "\n").indexOf("\n)") + 2)
      await connector("/stop", "PUT")
      await trino(
        `CREATE OR REPLACE TABLE iceberg.default.weather (city, temperature, ts) ${rest} AS SELECT * FROM iceberg.default.weather`
      )
      await connector("/resume", "PUT")
    },
    check: "origin",
    finding: /does not record the topic/,
    slow: true
  },
  {
    damage: "another program wrote a row and deleted some",
    cause: async () => {
      // A DELETE of Trino's gives way to each commit of the sink.
      await connector("/stop", "PUT")
      for (const sql of [
        "INSERT INTO iceberg.default.weather VALUES ('Nowhere', '0', '2026-01-08-14')",
        "DELETE FROM iceberg.default.weather WHERE city LIKE 'fixes %1'"
      ]) {
        await until(
          sql,
          () => trino(sql),
          () => true
        )
      }
      await connector("/resume", "PUT")
    },
    check: "writers",
    finding: /changed by another writer: snapshot \d+ by trino, \+1 −0 rows; snapshot \d+ by trino, \+\d+ −\d+ rows/,
    audit: /changed by another writer: snapshot \d+ by trino, \+1 −0 rows\n/
  },
  {
    damage: "the partitioning was altered",
    cause: () => trino("ALTER TABLE iceberg.default.weather SET PROPERTIES partitioning = ARRAY['city']"),
    check: "table",
    finding: /its partitioning is ARRAY\['city'\]/,
    slow: true
  },
  {
    damage: "the table was dropped",
    cause: () => trino("DROP TABLE iceberg.default.weather"),
    check: "table",
    finding: /^There is no table default\.weather/
  },
  {
    damage: "the table was forgotten by the catalog, and its files are there",
    cause: () => trino("CALL iceberg.system.unregister_table('default', 'weather')"),
    check: "table",
    finding: /^There is no table default\.weather/,
    slow: true
  },
  {
    damage: "the table's newest metadata is gone",
    cause: async () => {
      await connector("/stop", "PUT")
      const [[file = ""] = []] = await trino(
        `SELECT file FROM iceberg.default."weather$metadata_log_entries" ORDER BY timestamp DESC LIMIT 1`
      )
      await docker("exec", "minio", "mc", "rm", file.replace(/^s3a?:\/\//, "myminio/"))
      // It keeps the files of metadata in memory.
      await docker("restart", "trino")
    },
    check: "table",
    finding: /^The metastore points to a metadata file of the table that does not exist/,
    slow: true
  },
  {
    damage: "the sink's own topic was deleted",
    cause: async () => {
      await connector("", "DELETE")
      await kafka(`kafka-topics ${broker} --delete --topic control-iceberg`)
    },
    check: "topics",
    finding: /^There is no topic control-iceberg/,
    slow: true
  },
  {
    damage: "the sink's own topic has two partitions",
    cause: () => kafka(`kafka-topics ${broker} --alter --topic control-iceberg --partitions 2`),
    check: "topics",
    finding: /^The topic control-iceberg has 2 partitions/,
    slow: true
  },
  {
    damage: "the topic has lost its first events",
    cause: () => {
      const cut = JSON.stringify({ partitions: [{ topic: "weather", partition: 0, offset: 20 }], version: 1 })
      return kafka(
        `echo '${cut}' > /tmp/cut && kafka-delete-records ${broker} --offset-json-file /tmp/cut && rm /tmp/cut`
      )
    },
    check: "retention",
    finding: /^The topic weather begins at offset 20/,
    slow: true
  },
  {
    damage: "the topic was deleted",
    cause: () => kafka(`kafka-topics ${broker} --delete --topic weather`),
    check: "topics",
    finding: /^There is no topic weather/,
    slow: true
  }
]

beforeAll(repaired, timeout)

for (const { damage, cause, check, finding, audit, slow = false } of cases) {
  test.skipIf(slow && !nightly)(damage, { timeout }, async () => {
    const sending = load("fixes", 5)
    try {
      await until(
        "some are sent",
        async () => sending.acknowledged(),
        (count) => count >= 20
      )
      await cause()
      const found = await until("it is named", failures, (found) => check in found, { seconds: 120 })
      assert.match(found[check]?.map(({ finding }) => finding).join("\n") ?? "", finding)
      if (audit !== undefined) {
        const { code, out, err } = await floe(["audit"])
        assert.strictEqual(code, 0, `${out}${err}`)
        assert.match(out, audit)
      }
      await repaired()
    } finally {
      await sending.stop()
    }
    const city = `last ${randomUUID()}`
    await log({ city, temperature: "1" })
    await until(
      "the sink continues",
      () => trino(`SELECT 1 FROM iceberg.default.weather WHERE city = '${city}'`),
      (rows) => rows.length === 1
    )
    const { code, out, err } = await floe(["audit"])
    assert.strictEqual(code, 0, `${out}${err}`)
    assert.deepStrictEqual(await failures(), {})
  })
}

const rows = async () => Number((await trino("SELECT count(*) FROM iceberg.default.weather"))[0]?.[0])

test("a rebuild from a recreated topic loses nothing unless a flag allows it", { timeout }, async () => {
  await Promise.all(Array.from({ length: 20 }, (_, i) => log({ city: `fixes lost ${i}`, temperature: "1" })))
  await until(
    "they are in the table",
    () => trino("SELECT 1 FROM iceberg.default.weather WHERE city LIKE 'fixes lost %'"),
    (found) => found.length >= 20
  )
  await kafka(`kafka-topics ${broker} --delete --topic weather`)
  await done("topics", "create")
  const { ts } = await log({ city: "fixes kept", temperature: "1" })
  await until(
    "the new one is read",
    () => trino(`SELECT 1 FROM iceberg.default.weather WHERE city = 'fixes kept' AND ts = '${ts}'`),
    (found) => found.length > 0
  )
  const audited = await floe(["audit"])
  assert.strictEqual(audited.code, 1)
  assert.match(audited.err, /was written from another log/)
  const before = await rows()
  const { code, err } = await floe(["rebuild", "--into", "weather_lost", "--promote"])
  assert.strictEqual(code, 1)
  const rejected =
    /^default\.weather has ([\d,]+) rows that are not in the log, and so not in default\.weather_lost\. /.exec(err)
  // What both have is what came since.
  const [[both = ""] = []] = await trino("SELECT count(*) FROM iceberg.default.weather_lost")
  const lost = Number(rejected?.[1]?.replaceAll(",", ""))
  assert.isAtLeast(lost, before - Number(both) - 20, err)
  assert.isAtMost(lost, before, err)
  assert.isAtLeast(await rows(), before)
  await repaired()
  assert.strictEqual((await floe(["audit"])).code, 0)
})

afterAll(async () => {
  const tables = await trino("SHOW TABLES FROM iceberg.default LIKE 'weather\\_%' ESCAPE '\\'")
  for (const [name] of tables) await trino(`DROP TABLE iceberg.default.${name}`)
  await done("connector", "status")
}, 120_000)
