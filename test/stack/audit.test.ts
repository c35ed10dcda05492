/** `floe audit` is exact while events arrive, and after others changed the topic and the table; and it detects faults. */
import { randomUUID } from "node:crypto"
import { ConfigProvider, Effect, Layer, Stream } from "effect"
import { afterAll, assert, beforeAll, test, vi } from "vitest"
import { recognizing } from "../../layers/ingest/checker/LoggedEvents.ts"
import * as EventLogReaderLayer from "../../layers/log/kafka/EventLogReader.ts"
import * as MemoryStreams from "../../layers/log/memory/Streams.ts"
import type { AuditReport } from "../../layers/operate/audit/audit.ts"
import { eventOf } from "../../layers/sink/connect/connectorFilter.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import { floe } from "../support/program.ts"
import { docker, shell } from "./docker.ts"
import { type Load, load, log, rowCount, trino, until } from "./weather.ts"

vi.setConfig({ testTimeout: 300_000 })

const mark = `audit-${randomUUID()}`
const table = "iceberg.default.weather"

const command = (...args: ReadonlyArray<string>) =>
  Effect.runPromise(floe(["audit", ...args], { FLOE_PROFILE: "distributed" }))

const audited = async (...args: ReadonlyArray<string>) => {
  const { code, out, err } = await command("--json", ...args)
  if (!out.startsWith("{")) throw new Error(`floe audit ended with ${code}: ${err}`)
  const report: AuditReport = JSON.parse(out)
  return { code, err, report }
}

const assertClean = ({ code, err, report }: Awaited<ReturnType<typeof audited>>) => {
  assert.deepStrictEqual(report.examples, [])
  assert.deepStrictEqual(
    { code, err, missing: report.missing, extra: report.extra },
    { code: 0, err: "", missing: 0, extra: 0 }
  )
  assert.isNull(report.settledBefore)
}

const sorted = (lines: ReadonlyArray<string>) => lines.toSorted()

const hoursOf = async (snapshotId: string) =>
  sorted(
    (await trino(`SELECT ts, count(*) FROM ${table} FOR VERSION AS OF BIGINT '${snapshotId}' GROUP BY ts`)).map((row) =>
      row.join(" ")
    )
  )

/** If it conflicts with a commit of the sink, Trino rejects it, and nothing changes. */
const changed = (sql: string) =>
  until(
    sql,
    () => trino(sql),
    () => true,
    { seconds: 60, every: 2_000 }
  )

/** Rows of each hour, including those of other writers. */
const counts = ({ hours }: AuditReport) =>
  sorted(hours.flatMap(({ ts, inTable }) => (inTable === 0 ? [] : [`${ts} ${inTable}`])))

/** The offsets of the log that the connector's group has committed, from Kafka's own command line. */
const committed = async () => {
  const formatter = "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter"
  const text = await docker(
    "exec",
    "kafka",
    "bash",
    "-c",
    `kafka-console-consumer --bootstrap-server localhost:9092 --topic __consumer_offsets --formatter '${formatter}' --from-beginning --timeout-ms 4000 2>/dev/null || true`
  )
  const offsets = text.matchAll(/^\[connect-iceberg-sink,weather,(\d+)\]::OffsetAndMetadata\(offset=(\d+)/gm)
  return new Set(offsets.map(([, partition, offset]) => `${partition}/${offset}`))
}

const produce = (...values: ReadonlyArray<string>) =>
  shell(
    `printf '%s\\n' ${values.map((value) => `'${value.replaceAll("'", "'\\''")}'`).join(" ")} | docker exec -i kafka kafka-console-producer --bootstrap-server localhost:9092 --topic weather`
  )

/** An hour that the sink does not write to: Trino rejects a change beside a commit to the same hour. */
const ts = "2026-01-09-03"
let stream: Load
/** The result of the first audit. */
let leftOut = 0

beforeAll(() => {
  stream = load(mark, 10)
})

afterAll(async () => {
  await stream.stop()
})

test("is clean while events come in, counts what Trino counts, and goes as far as the connector has", async () => {
  await until(
    "rows of the load in the table",
    () => rowCount(mark),
    (rows) => rows > 0,
    { every: 2_000 }
  )
  const found = await audited()
  assertClean(found)
  const { report } = found
  leftOut = report.leftOut
  assert.deepStrictEqual(counts(report), await hoursOf(report.snapshotId))
  const reached = await committed()
  for (const { partition, offset } of report.upTo) assert.isTrue(reached.has(`${partition}/${offset}`), `${offset}`)
  const last = report.hours.at(-1)?.ts ?? assert.fail("no hour")
  const one = await audited("--from", last, "--to", last)
  assertClean(one)
  assert.deepStrictEqual(
    one.report.hours.map((hour) => hour.ts),
    [last]
  )
})

test("agrees with the connector on what another program wrote into the topic", async () => {
  const rest = `"temperature":"1","ts":"${ts}"}`
  await produce(
    `${mark} hello`,
    `{"city":"${mark}-odd refused","more":"x",${rest}`,
    // A city that Floe rejects; and a second value after the first, which the connector ignores.
    `{"city":"${mark}-odd \\u0001",${rest}`,
    `{"city":"${mark}-odd two",${rest} {"city":"${mark}-odd three",${rest}`
  )
  await log({ city: `${mark}-odd last`, temperature: "1" })
  await until(
    "what the connector takes of them in the table",
    () => rowCount(`${mark}-odd`),
    (rows) => rows >= 3,
    { every: 2_000 }
  )
  const found = await audited()
  assertClean(found)
  assert.isAtLeast(found.report.leftOut, leftOut + 2)
  assert.deepStrictEqual(counts(found.report), await hoursOf(found.report.snapshotId))
})

test("names the snapshots in which another writer deleted a row and inserted one, and takes them for neither missing nor extra", async () => {
  const city = `${mark}-changed 'row'`
  const literal = city.replaceAll("'", "''")
  const rows = `${table} WHERE ts = '${ts}' AND city = '${literal}'`
  await produce(JSON.stringify({ city, temperature: "1.50", ts }))
  await until(
    "the row in the table",
    () => trino(`SELECT 1 FROM ${rows}`),
    (found) => found.length === 1,
    { every: 2_000 }
  )
  await changed(`DELETE FROM ${rows}; INSERT INTO ${table} VALUES ('${literal}', '9.50', '${ts}')`)
  try {
    const found = await audited()
    assertClean(found)
    const { changedByOthers, hours } = found.report
    assert.deepStrictEqual(
      changedByOthers.slice(-2).map(({ added, by, deleted }) => ({ by, added, deleted })),
      [
        { by: "trino", added: 0, deleted: 1 },
        { by: "trino", added: 1, deleted: 0 }
      ]
    )
    const hour = hours.find((hour) => hour.ts === ts)
    assert.deepStrictEqual([hour?.missing, hour?.extra, hour?.byOthers], [0, 0, 0])
    assert.deepStrictEqual(counts(found.report), await hoursOf(found.report.snapshotId))
  } finally {
    await changed(`DELETE FROM ${rows}; INSERT INTO ${table} VALUES ('${literal}', '1.50', '${ts}')`)
  }
  assertClean(await audited())
})

test("reads no further than to another program's open transaction, and does not wait for it", async () => {
  const topic = `x-audit-${process.pid}`
  const kafka = (command: string) =>
    docker(
      "exec",
      "kafka",
      "bash",
      "-c",
      command.replaceAll("AT", `--bootstrap-server localhost:9092 --topic ${topic}`)
    )
  const end = async () => Number((await kafka("kafka-get-offsets AT")).trim().split(":")[2])
  const read = () =>
    Effect.runPromise(
      EventLogReader.use((log) => Stream.runCount(log.read({ partition: 0, offset: 0 }, { until: "end" }))).pipe(
        Effect.timeout("20 seconds"),
        Effect.provide(EventLogReaderLayer.layerOf(eventOf, recognizing).pipe(Layer.provide(MemoryStreams.layer))),
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ FLOE_TOPIC: topic })))
      )
    )
  await kafka("kafka-topics AT --create --partitions 1")
  try {
    await kafka(`echo '{"city":"a","temperature":"1","ts":"${ts}"}' | kafka-console-producer AT`)
    const transaction = kafka(
      `kafka-producer-perf-test --topic ${topic} --transactional-id ${topic} --transaction-duration-ms 60000 --num-records 15 --throughput 1 --record-size 10 --producer-props bootstrap.servers=localhost:9092`
    )
    await until("a message in the transaction", end, (offset) => offset > 1)
    await kafka(`echo '{"city":"b","temperature":"1","ts":"${ts}"}' | kafka-console-producer AT`)
    assert.strictEqual(await read(), 1)
    await transaction
    assert.strictEqual(await read(), 2)
  } finally {
    await kafka("kafka-topics AT --delete")
  }
})

test("is exact in a snapshot that another writer's compaction made", async () => {
  const found = await until(
    "an audit of the compacted table before the sink's next commit",
    async () => {
      await changed(`ALTER TABLE ${table} EXECUTE optimize`)
      const found = await audited()
      const [[operation] = []] = await trino(
        `SELECT operation FROM iceberg.default."weather$snapshots" WHERE snapshot_id = ${found.report.snapshotId}`
      )
      return { ...found, operation }
    },
    ({ operation }) => operation === "replace"
  )
  assertClean(found)
  const text = await command()
  assert.strictEqual(text.code, 0)
  assert.match(text.out, /^hour +logged +in table +missing +extra\n/)
  assert.match(
    text.out,
    /\nCompared the log up to (\d+\/\d+(, )?)+ \(partition\/offset\), which is where snapshot \d+ ends\./
  )
  assert.match(text.out, /\nLog positions without a weather record: [\d,]+\./)
})
