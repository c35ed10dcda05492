/** `floe doctor` on the components, the topics, the metastore and its locks: each fault is caused, reported and fixed. */

import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { afterAll, assert, beforeAll, test } from "vitest"
import { docker, root, shell } from "./docker.ts"
import {
  commandsOf,
  examine,
  failures,
  floe,
  foundWithin,
  lock,
  lockTable,
  named,
  psql,
  repaired,
  unlockTable,
  untilHealthy,
  untilNamed
} from "./doctor.ts"
import { trino, until } from "./weather.ts"

const broker = "--bootstrap-server localhost:9092"
const kafka = (line: string) => docker("exec", "kafka", "bash", "-c", line)

/** The commands in the findings. */
const applyFixes = async (findings: ReadonlyArray<{ readonly fix: string }> = []) => {
  for (const { fix } of findings) for (const command of commandsOf(fix)) await shell(command, 120_000)
}

// Other tests have left changes of another writer.
beforeAll(repaired, 700_000)

test("a healthy stack: every check runs, and reports nothing", async () => {
  const checks = await examine()
  assert.deepStrictEqual(
    checks.map(({ name }) => name),
    [
      ...["zookeeper", "kafka", "connect", "storage", "postgres", "metastore", "trino", "disk", "topics", "server"],
      ...[
        "retention",
        "location",
        "table",
        "origin",
        "writers",
        "clock",
        "connector",
        "coordinators",
        "locks",
        "offsets",
        "commits",
        "files"
      ]
    ]
  )
  assert.deepStrictEqual(
    checks.filter(({ findings, waitsFor }) => findings.length + waitsFor.length > 0),
    []
  )
  const { code, out } = await floe(["doctor"])
  assert.strictEqual(code, 0)
  assert.match(out, /^ok {3}commits /m)
})

test("addresses of other components, and what cannot be checked then", { timeout: 300_000 }, async () => {
  const swapped = await examine({
    FLOE_TARGET: "http://localhost:8083",
    FLOE_CONNECT_URL: "http://localhost:8080",
    FLOE_S3_ENDPOINT: "http://localhost:8083",
    FLOE_METASTORE_URI: "thrift://localhost:5432",
    FLOE_POSTGRES: "localhost:9083",
    FLOE_ZOOKEEPER: "localhost:5432",
    FLOE_TRINO_URL: "http://localhost:9000"
  })
  const found = Object.fromEntries(swapped.map((check) => [check.name, check]))
  for (const [name, pattern] of Object.entries({
    server: /not a logging server/,
    zookeeper: /FLOE_ZOOKEEPER/,
    connect: /not Kafka Connect.*FLOE_CONNECT_URL/,
    storage: /is not an object store.*FLOE_S3_ENDPOINT/,
    postgres: /FLOE_POSTGRES/,
    metastore: /FLOE_METASTORE_URI/,
    trino: /not Trino.*FLOE_TRINO_URL/
  })) {
    assert.match(found[name]?.findings[0]?.finding ?? "", pattern, name)
  }
  assert.deepStrictEqual(found.table?.waitsFor.toSorted(), ["metastore", "postgres", "storage", "trino"])
  assert.deepStrictEqual(found.connector?.waitsFor, ["connect"])
  assert.deepStrictEqual(found.topics?.findings, [])
  assert.deepStrictEqual(found.topics?.waitsFor, [])

  named(await failures({ FLOE_KAFKA_BROKERS: "localhost:5432" }), {
    kafka: [/^Kafka is down: localhost:5432 closes each connection at once: .*FLOE_KAFKA_BROKERS/]
  })
  named(await failures({ FLOE_S3_SECRET_KEY: "another-one" }), { storage: [/does not know this key/] })
})

test("retention of the topics, the metastore's place for tables, a second coordinator, an orphaned lock", {
  timeout: 300_000
}, async () => {
  const configs = (topic: string, added: string) =>
    kafka(`kafka-configs ${broker} --alter --entity-type topics --entity-name ${topic} --add-config ${added}`)
  await configs("weather", "retention.ms=604800000")
  await configs("control-iceberg", "cleanup.policy=compact")
  await psql(`UPDATE "DBS" SET "DB_LOCATION_URI" = 's3a://elsewhere/default' WHERE "NAME" = 'default'`)
  // Its name sorts last, so the sink's reader keeps the partition. It commits nothing.
  const second = spawn(
    "docker",
    [
      ...["exec", "kafka", "bash", "-c"],
      `echo $$ > /tmp/zz-doctor; exec kafka-console-consumer ${broker} --topic control-iceberg --group connect-iceberg-sink-coord --consumer-property client.id=zz-doctor --consumer-property enable.auto.commit=false`
    ],
    { cwd: root, stdio: "ignore" }
  )
  try {
    const found = await until(
      "the findings",
      async () => {
        // The metastore removes the lock after 60 seconds.
        await lockTable(50)
        return failures()
      },
      (found) => "coordinators" in found && "locks" in found,
      { every: 100 }
    )
    named(found, {
      retention: [/^The topic weather keeps .* 7 days/, /^The topic control-iceberg keeps .*compact/],
      location: [/below s3a:\/\/elsewhere\/default, not below s3a:\/\/warehouse\/default/],
      coordinators: [/has 2 members: .*zz-doctor/],
      locks: [new RegExp(`^Lock ${lock} on default\\.weather .*no heartbeat for 5\\d s`)]
    })
    await applyFixes(found.retention)
    await applyFixes(found.location)
    await applyFixes(found.locks)
  } finally {
    await kafka("kill $(cat /tmp/zz-doctor); rm /tmp/zz-doctor")
    second.kill("SIGKILL")
    await psql(`UPDATE "DBS" SET "DB_LOCATION_URI" = 's3a://warehouse/default' WHERE "NAME" = 'default'`)
    await unlockTable()
    for (const topic of ["weather", "control-iceberg"]) await configs(topic, "retention.ms=-1,cleanup.policy=delete")
  }
  await untilHealthy()
})

const topic = `x-doctor-${randomUUID()}`

test("a topic that is missing, has too few partitions, or has lost its beginning", { timeout: 300_000 }, async () => {
  const env = { FLOE_TOPIC: topic, FLOE_PARTITIONS: "2" }
  // The connector reads another topic, and the table was built from that topic.
  const connector = [/topics is "weather", not "x-doctor-/]
  const origin = [/^The topic x-doctor-\S+ \(id \S+\) is not the one that the table was built from/]
  named(await failures(env), {
    topics: [new RegExp(`^There is no topic ${topic}\\.$`), new RegExp(`^There is no topic ${topic}-dlq\\.$`)],
    connector
  })
  await kafka(`kafka-topics ${broker} --create --topic ${topic} --partitions 1 --config retention.bytes=1000000`)
  await kafka(`kafka-topics ${broker} --create --topic ${topic}-dlq --partitions 1`)
  const few = await failures(env)
  named(few, { topics: [/has 1 partition, but should have 2\.$/], connector })
  await applyFixes(few.topics)
  const event = '{"city":"Oslo","temperature":"1","ts":"2026-01-08-14"}'
  await kafka(`echo '${event}' | kafka-console-producer ${broker} --topic ${topic}`)
  const cut = { partitions: [0, 1].map((partition) => ({ topic, partition, offset: -1 })), version: 1 }
  await kafka(
    `echo '${JSON.stringify(cut)}' > /tmp/${topic} && kafka-delete-records ${broker} --offset-json-file /tmp/${topic} && rm /tmp/${topic}`
  )
  const lost = await failures(env)
  named(lost, {
    retention: [/retention\.bytes=1000000\)\.$/, /begins at offset 1 of partition [01]: /],
    origin,
    connector
  })
  await applyFixes(lost.retention?.slice(0, 1))
  named(await failures(env), { retention: [/begins at offset 1 of partition [01]: /], origin, connector })
})

test("disks, small files and snapshots beyond other limits", async () => {
  const full = await foundWithin({ roomBytes: 2 ** 60 }, "disk")
  assert.deepStrictEqual(
    full.map(
      ({ finding }) => /^The disk of (Kafka's broker \d|MinIO) has [\d,]+ MiB left, at \/\S+\.$/.exec(finding)?.[1]
    ),
    ["Kafka's broker 1", "MinIO"]
  )
  const kept = async () => Number((await trino('SELECT count(*) FROM iceberg.default."weather$snapshots"'))[0]?.[0])
  const before = await kept()
  const crowded = await foundWithin({ smallFiles: 0, snapshots: 0 }, "files")
  assert.match(crowded[0]?.finding ?? "", /partitions? (has|have) \d+ small files; ts=.* alone has \d+\.$/)
  const count = Number(/^The table keeps (\d+) snapshots\.$/.exec(crowded[1]?.finding ?? "")?.[1])
  assert.isAtLeast(count, before)
  assert.isAtMost(count, await kept())
  assert.deepStrictEqual(
    crowded.map(({ fix }) => fix),
    ["floe maintain", "floe maintain"]
  )
})

test("Trino is still starting, and the server is down", { timeout: 300_000 }, async () => {
  await docker("stop", "logging-server")
  await docker("restart", "--time", "1", "trino")
  const [starting] = await until(
    "Trino starting",
    () => foundWithin({}, "trino"),
    ([found]) => found?.finding === "Trino is still starting.",
    { every: 100 }
  )
  await applyFixes(starting === undefined ? [] : [starting])
  const found = await untilNamed("server")
  named(found, { server: [/^The logging server at http:\/\/localhost:9998 is unavailable: nothing listens there/] })
  await applyFixes(found.server)
  await untilHealthy()
})

afterAll(async () => {
  for (const name of [topic, `${topic}-dlq`]) {
    await kafka(`kafka-topics ${broker} --delete --if-exists --topic ${name}`)
  }
})
