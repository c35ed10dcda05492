/** Maintenance of streams' tables through Trino, whatever their partitions are. */
import { Duration, Effect, Layer, Option, Stream } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import * as Storage from "../../layers/operate/storage/s3.ts"
import { logReader, sinkCommits } from "../../layers/profile/KafkaClientFallback.ts"
import * as EvolveTable from "../../layers/table/trino/evolveTable.ts"
import * as LostRows from "../../layers/table/trino/lostRows.ts"
import * as MaintenanceLayer from "../../layers/table/trino/Maintenance.ts"
import * as QueryLayer from "../../layers/table/trino/Query.ts"
import * as RebuildTable from "../../layers/table/trino/rebuildTable.ts"
import * as TableReaderLayer from "../../layers/table/trino/TableReader.ts"
import { Maintenance } from "../../services/Maintenance.ts"
import { Query } from "../../services/Query.ts"
import type { AppliedStream, PartitionField, StreamDefinition } from "../../services/StreamDefinition.ts"
import { AsOf, TableReader } from "../../services/TableReader.ts"

const bucket = "warehouse"
const run = <A, E>(effect: Effect.Effect<A, E, Query>) => Effect.runPromise(Effect.provide(effect, QueryLayer.layer))
const sql = (statement: string) =>
  run(
    Query.use(({ execute }) => Effect.flatMap(execute(statement), ({ rows }) => Stream.runCollect(rows))).pipe(
      Effect.scoped
    )
  )

const made: Array<string> = []
const drop = async () => {
  for (const name of made) await sql(`DROP TABLE IF EXISTS "${name}"`)
}
beforeAll(drop)
afterAll(drop)

const streamOf = (name: string, partitionBy: ReadonlyArray<PartitionField>): AppliedStream => {
  const own = `trino_${name}_${process.pid}`
  made.push(own, `${own}_again`)
  const definition: StreamDefinition = {
    name: own,
    columns: [
      { name: "id", required: true, type: "long" },
      { name: "at", required: false, type: "timestamptz" },
      { name: "day", required: false, type: "date" },
      { name: "u", required: false, type: "uuid" },
      { name: "order", required: false, type: "string" }
    ],
    key: null,
    partitionBy
  }
  return firstVersion(definition, 0)
}

const rowsOf = (commit: number) =>
  ["2026-11-27", "1969-12-31"]
    .map(
      (day, i) =>
        `(${commit * 10 + i}, TIMESTAMP '${day} 23:59:59 UTC', DATE '${day}', UUID '${commit % 2}f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c', 'o''${i}')`
    )
    .concat(`(${commit * 10 + 2}, NULL, NULL, NULL, NULL)`)
    .join(", ")

const maintenance = <A, E>(
  stream: AppliedStream,
  limits: Partial<MaintenanceLayer.Limits>,
  use: (service: Maintenance["Service"]) => Effect.Effect<A, E>
) =>
  Effect.runPromise(
    Maintenance.use(use).pipe(
      Effect.provide(
        MaintenanceLayer.within(limits, stream).pipe(Layer.provide([Storage.layer, logReader, sinkCommits]))
      )
    )
  )

const partitions: ReadonlyArray<readonly [name: string, ReadonlyArray<PartitionField>]> = [
  ["plain", []],
  [
    "timed",
    [
      { column: "at", transform: "hour" },
      { column: "day", transform: "month" }
    ]
  ],
  [
    "hashed",
    [
      { column: "u", transform: "bucket", width: 4 },
      { column: "order", transform: "truncate", width: 2 },
      { column: "day", transform: "year" }
    ]
  ],
  [
    "plainly",
    [
      { column: "order", transform: "identity" },
      { column: "at", transform: "day" }
    ]
  ]
]

test.each(partitions)(
  "given a table %s by %j, when it is maintained, then each partition has one file, and every row stays",
  async (name, partitionBy) => {
    const stream = streamOf(name, partitionBy)
    const table = stream.definition.name
    await run(EvolveTable.bringTo(stream, { bucket }, () => Effect.void))
    for (const commit of [0, 1, 2, 3]) await sql(`INSERT INTO "${table}" VALUES ${rowsOf(commit)}`)
    const all = `SELECT count(*), sum(id), count(at), count(u) FROM "${table}"`
    const before = await sql(all)
    const [[files, parts] = []] = await sql(
      partitionBy.length === 0
        ? `SELECT count(*), 1 FROM "${table}$files"`
        : `SELECT count(*), count(DISTINCT partition) FROM "${table}$files"`
    )
    const plan = await maintenance(stream, {}, ({ plan }) => plan)
    assert.strictEqual(plan.compact.files, Number(files))
    assert.strictEqual(plan.compact.partitions, Number(parts))
    const outcome = await maintenance(stream, { snapshotAge: Duration.zero }, ({ run }) => run(() => Effect.void))
    assert.match(outcome, new RegExp(`^Merged ${files} files into ${parts}, expired `))
    assert.deepStrictEqual(await sql(all), before)
    assert.deepStrictEqual(await sql(`SELECT count(*) FROM "${table}$files"`), [[String(parts)]])
    const after = await maintenance(stream, {}, ({ plan }) => plan)
    assert.deepStrictEqual(after.compact, { files: 0, bytes: 0, partitions: 0, into: 0 })
  }
)

test("given a stream's table, when it is read and listed, then its partitions are named as in the embedded profile", async () => {
  const stream = streamOf("listed", [
    { column: "at", transform: "hour" },
    { column: "day", transform: "month" },
    { column: "order", transform: "truncate", width: 1 }
  ])
  const table = stream.definition.name
  await run(EvolveTable.bringTo(stream, { bucket }, () => Effect.void))
  await sql(`INSERT INTO "${table}" VALUES ${rowsOf(0)}`)
  const read = <A, E>(use: (reader: TableReader["Service"]) => Effect.Effect<A, E>) =>
    Effect.runPromise(
      TableReader.use(use).pipe(
        Effect.provide(TableReaderLayer.at(table).pipe(Layer.provide([QueryLayer.layer, sinkCommits])))
      )
    )
  const files = await read(({ files }) => Stream.runCollect(files()))
  assert.deepStrictEqual(files.map(({ partition, rows }) => [partition, rows]).sort(), [
    ["at_hour=1969-12-31-23/day_month=1969-12/order_trunc=o", 1],
    ["at_hour=2026-11-27-23/day_month=2026-11/order_trunc=o", 1],
    ["at_hour=null/day_month=null/order_trunc=null", 1]
  ])
  const current = Option.getOrThrow(await read(({ current }) => current))
  assert.deepStrictEqual([current.rows, current.log], [3, null])
  const older = await read(({ files }) => Stream.runCollect(files({ _tag: "Snapshot", id: current.id })))
  assert.deepStrictEqual(older.map(({ path }) => path).sort(), files.map(({ path }) => path).sort())
  const description = await read(({ describe }) => describe)
  assert.deepStrictEqual(description.partitioning, ["hour(at)", "month(day)", "truncate(order, 1)"])
})

test("given tables of streams, when they are queried as of a time or a snapshot, then they are read as they were", async () => {
  const [one, two] = [streamOf("past_a", []), streamOf("past_b", [{ column: "u", transform: "bucket", width: 2 }])]
  const [a, b] = [one.definition.name, two.definition.name]
  for (const stream of [one, two]) await run(EvolveTable.bringTo(stream, { bucket }, () => Effect.void))
  for (const table of [a, b]) await sql(`INSERT INTO "${table}" VALUES ${rowsOf(0)}`)
  const [[time] = []] = await sql("SELECT CAST(to_unixtime(current_timestamp) * 1000 AS bigint)")
  const [[snapshot] = []] = await sql(`SELECT snapshot_id FROM "${b}$refs"`)
  await sql(`ALTER TABLE "${b}" ADD COLUMN late varchar`)
  for (const table of [a, b]) await sql(`INSERT INTO "${table}" (id) VALUES (100)`)
  const asOf = (statement: string, at: AsOf) =>
    Query.use(({ execute }) =>
      Effect.flatMap(execute(statement, { asOf: at }), ({ rows }) => Stream.runCollect(rows))
    ).pipe(Effect.scoped)
  const then = AsOf.cases.Time.make({ millis: Number(time) })
  const joined = `SELECT (SELECT count(*) FROM ${a}), count(*) FROM iceberg.default."${b}" JOIN default.${a} USING (id)`
  assert.deepStrictEqual(await run(asOf(joined, then)), [["3", "3"]])
  assert.deepStrictEqual(await sql(joined), [["4", "4"]])
  const recursive = `WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT count(*) FROM t, ${b}`
  const older = AsOf.cases.Snapshot.make({ id: String(snapshot) })
  assert.deepStrictEqual(await run(asOf(recursive, older)), [["9"]])
  const several = await run(Effect.flip(asOf(joined, older)))
  assert.strictEqual(
    several.message,
    "A snapshot belongs to one table, but the statement names several; give a time instead."
  )
  const missing = await run(Effect.flip(asOf(`SELECT late FROM ${b}`, older)))
  assert.match(missing.message, /^line 1:8: Column 'late' cannot be resolved/)
})

test("given a table and its rebuild, when they are compared, then the rows that would be lost are counted", async () => {
  const stream = streamOf("lost", [{ column: "at", transform: "day" }])
  const table = stream.definition.name
  await run(EvolveTable.bringTo(stream, { bucket }, () => Effect.void))
  await run(RebuildTable.create(`${table}_again`, stream))
  for (const commit of [0, 0, 1]) await sql(`INSERT INTO "${table}" VALUES ${rowsOf(commit)}`)
  await sql(`INSERT INTO "${table}_again" VALUES ${rowsOf(0)}`)
  assert.strictEqual(await run(LostRows.count(`${table}_again`, stream)), 6)
  await run(RebuildTable.replace(stream, `${table}_again`, bucket, "an id"))
  assert.strictEqual(await run(LostRows.count(`${table}_again`, stream)), 0)
  assert.strictEqual(await run(RebuildTable.isReplacing(table)), false)
})
