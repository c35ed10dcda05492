/** `floe table` and `floe query --as-of`, compared with Trino's and MinIO's own command lines. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { floe } from "../support/program.ts"
import { docker, root, terminal } from "./docker.ts"
import { trino, until } from "./weather.ts"

const env = { FLOE_PROFILE: "distributed" }
const run = (args: ReadonlyArray<string>, more: Record<string, string> = {}) =>
  Effect.runPromise(floe(args, { ...env, ...more }))

const printed = async (...args: ReadonlyArray<string>) => {
  const { code, out, err } = await run(args)
  assert.deepStrictEqual({ code, err }, { code: 0, err: "" })
  return out
}
const parsed = async (...args: ReadonlyArray<string>) => JSON.parse(await printed(...args, "--json"))

/** The error of a command that fails. */
const rejected = async (args: ReadonlyArray<string>, more?: Record<string, string>) => {
  const { code, out, err } = await run(args, more)
  assert.deepStrictEqual({ code, out }, { code: 1, out: "" })
  return err
}

const weather = "iceberg.default.weather"
const own = `x_table_${process.pid}`
const folder = mkdtempSync(join(tmpdir(), "floe-table-"))

interface Snapshot {
  readonly id: string
  readonly rows: number
  readonly committedAt: string
}
interface File {
  readonly path: string
  readonly partition: string
  readonly rows: number
  readonly bytes: number
}

/** Rows that Trino's UPDATE or DELETE removed still count in total-records. */
const snapshots = `SELECT snapshot_id, to_iso8601(committed_at),
  CAST(element_at(summary, 'total-records') AS bigint) - CAST(element_at(summary, 'total-position-deletes') AS bigint)
FROM iceberg.default."weather$snapshots" ORDER BY committed_at`
const toSnapshots = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<Snapshot> =>
  rows.map(([id = "", committedAt = "", rows]) => ({ id, committedAt, rows: Number(rows) }))

const pathsAt = (table: string, id: string) =>
  `SELECT DISTINCT "$path" FROM iceberg.default.${table} FOR VERSION AS OF ${id}`

/** Sizes by address, as MinIO reports them. */
const stored = async () => {
  const lines = await docker("exec", "minio", "mc", "ls", "--json", "--recursive", "myminio/warehouse/default")
  return new Map<string, number>(
    lines
      .trim()
      .split("\n")
      .map((line) => {
        const { key, size } = JSON.parse(line)
        return [`s3a://warehouse/default/${key}`, size]
      })
  )
}

let location = ""
let oldest: Snapshot = { id: "", rows: 0, committedAt: "" }
/** A snapshot that has successors. */
let older = oldest

beforeAll(async () => {
  const found = await until(
    "three commits with rows",
    async () => toSnapshots(await trino(snapshots)),
    (found) => found.filter(({ rows }) => rows > 0).length >= 3
  )
  oldest = found[0] ?? oldest
  older = found.filter(({ rows }) => rows > 0).at(-3) ?? older
  const shown = await trino(`SHOW CREATE TABLE ${weather}`)
  location = /location = '([^']*)'/.exec(shown.join())?.[1] ?? ""
  await trino(
    `CREATE TABLE iceberg.default.${own} (city varchar, day integer NOT NULL) WITH (partitioning = ARRAY['city', 'bucket(day, 4)'])`
  )
})

afterAll(async () => {
  rmSync(folder, { recursive: true })
  await trino(`DROP TABLE IF EXISTS iceberg.default.${own}`)
})

test("a table is described", async () => {
  const described = await parsed("table", "describe")
  assert.strictEqual(described.location, location)
  assert.strictEqual(described.formatVersion, 2)
  assert.deepStrictEqual(described.partitioning, ["ts"])
  const columns = ["city", "temperature", "ts"]
  assert.deepStrictEqual(
    described.columns,
    columns.map((name) => ({ name, type: "varchar", required: false }))
  )
  const { current } = described
  assert.strictEqual(current.rows, toSnapshots(await trino(snapshots)).find(({ id }) => id === current.id)?.rows)
  const [position, ...more] = current.log.positions
  const end = await docker(
    ..."exec kafka kafka-get-offsets --bootstrap-server localhost:9092 --topic-partitions weather:0".split(" ")
  )
  assert.deepStrictEqual([position.partition, more], [0, []])
  assert.isAbove(position.offset, 0)
  assert.isAtMost(position.offset, Number(end.trim().split(":")[2]))

  const lines = (await printed("table", "describe")).split("\n")
  assert.include(lines, `location        ${location}`)
  assert.isTrue(lines.every((line) => line.length <= 80))
})

test("snapshots and history are Trino's", async () => {
  const listed: ReadonlyArray<Snapshot> = await parsed("table", "snapshots")
  const history: ReadonlyArray<{ snapshotId: string; madeCurrentAt: string }> = await parsed("table", "history")
  const madeCurrent = `SELECT snapshot_id, to_iso8601(made_current_at) FROM iceberg.default."weather$history" ORDER BY 2`
  const rows = await trino(`${snapshots}; ${madeCurrent}`)

  const comparable = ({ committedAt, id, rows }: Snapshot) => [id, Date.parse(committedAt), rows]
  assert.isTrue(listed.some(({ id }) => id === older.id))
  assert.deepStrictEqual(
    listed.map(comparable).reverse(),
    toSnapshots(rows.filter(({ length }) => length === 3))
      .slice(0, listed.length)
      .map(comparable)
  )
  assert.isAtLeast(history.length, listed.length)
  assert.deepStrictEqual(
    history.map(({ madeCurrentAt, snapshotId }) => [snapshotId, Date.parse(madeCurrentAt)]).reverse(),
    rows
      .filter(({ length }) => length === 2)
      .slice(0, history.length)
      .map(([id, at = ""]) => [id, Date.parse(at)])
  )
})

test("files of a snapshot are those that Trino reads, with the sizes that MinIO has", async () => {
  const files: ReadonlyArray<File> = await parsed("table", "files", "--as-of", older.id)
  const [paths, sizes] = await Promise.all([trino(pathsAt("weather", older.id)), stored()])
  assert.deepStrictEqual(files.map(({ path }) => `${location}/${path}`).sort(), paths.flat().sort())
  for (const { bytes, partition, path, rows } of files) {
    assert.strictEqual(bytes, sizes.get(`${location}/${path}`))
    assert.match(partition, /^ts=\d{4}-\d\d-\d\d-\d\d$/)
    assert.isAbove(rows, 0)
  }
})

test("a query is about an older snapshot, however it names the table", async () => {
  const file = join(folder, "query.sql")
  writeFileSync(file, `-- all of ${weather}\nWITH a AS (SELECT * FROM ${weather})\nSELECT count(*) FROM a;\n`)
  const justAfter = new Date(Date.parse(older.committedAt) + 1).toISOString()
  const recursive =
    'WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT count(*) / 3 FROM t, default."weather"'
  const questions = [
    [older.id, "SELECT count(*) FROM weather"],
    [justAfter, `SELECT count(${weather}.city) FROM ${weather} WHERE city <> '${weather}'`],
    [older.id, "--file", file],
    [older.id, recursive]
  ]
  for (const question of questions) {
    const out = await printed("query", "--format", "csv", "--as-of", ...question)
    assert.strictEqual(out, `_col0\r\n${older.rows}\r\n`)
  }
  const wrong = await rejected(["query", "--as-of", older.id, "SELECT\n nothing FROM weather"])
  assert.include(wrong, "line 2:2: Column 'nothing' cannot be resolved")
  assert.include(await rejected(["query", "--as-of", older.id, `DELETE FROM ${weather}`]), "only queries")
})

test("the prompt stays at the snapshot", async () => {
  const typed = ["SELECT count(*) AS counted FROM weather;\n", "quit\n"]
  const command = `FLOE_PROFILE=distributed XDG_STATE_HOME=${folder} ${process.execPath} ${join(root, "bin", "floe.js")} query --as-of ${older.id}`
  const output = await terminal(command, (shown) => (shown.endsWith("floe> ") ? typed.shift() : undefined))
  assert.match(output, new RegExp(`^ +${older.rows}\\s*$`, "m"))
})

test("what was before the first snapshot is not kept", async () => {
  for (const args of [
    ["query", "--as-of", "2000-01-01", "SELECT count(*) FROM weather"],
    ["table", "files", "--as-of", "2000-01-01"]
  ]) {
    const output = await rejected(args)
    assert.include(output, "No snapshot from 2000-01-01T00:00:00.000Z or before is kept.")
    assert.include(output, `the oldest is ${oldest.id} of `)
  }
  assert.include(await rejected(["table", "files", "--as-of", "4711"]), "There is no snapshot 4711")
})

test("a table without rows", async () => {
  const { columns, current, partitioning } = await parsed("table", "describe", own)
  assert.deepStrictEqual(columns, [
    { name: "city", type: "varchar", required: false },
    { name: "day", type: "integer", required: true }
  ])
  assert.deepStrictEqual(partitioning, ["city", "bucket(day, 4)"])
  assert.deepStrictEqual([current.rows, current.files, current.log], [0, 0, null])
  assert.deepStrictEqual(await parsed("table", "files", own), [])
})

test("a table that others write, delete from and merge", async () => {
  const insert = `INSERT INTO iceberg.default.${own} VALUES ('Oslo', 1), ('Bergen', 2)`
  await trino(
    `${insert}; ${insert}; DELETE FROM iceberg.default.${own} WHERE city = 'Oslo' AND rand() < 2; ALTER TABLE iceberg.default.${own} EXECUTE optimize`
  )
  const listed: ReadonlyArray<Record<string, unknown>> = await parsed("table", "snapshots", own)
  assert.deepStrictEqual(
    listed.map(({ operation, rows, rowsAdded, rowsRemoved, log }) => [operation, rows, rowsAdded, rowsRemoved, log]),
    [
      ["replace", 2, 2, 2, null],
      ["delete", 2, 0, 2, null],
      ["append", 4, 2, 0, null],
      ["append", 2, 2, 0, null],
      ["append", 0, 0, 0, null]
    ]
  )
  const [merged = "", , before = ""] = listed.map(({ id }) => String(id))
  const [described, now, then] = await Promise.all([
    parsed("table", "describe", own),
    parsed("table", "files", own),
    parsed("table", "files", own, "--as-of", before)
  ])
  const addresses = (files: ReadonlyArray<File>) => files.map(({ path }) => `${described.location}/${path}`).sort()
  const rows = await trino(`${pathsAt(own, merged)}; SELECT 1, 1; ${pathsAt(own, before)}`)
  const border = rows.findIndex(({ length }) => length === 2)
  assert.deepStrictEqual(addresses(now), rows.slice(0, border).flat().sort())
  assert.deepStrictEqual(
    addresses(then),
    rows
      .slice(border + 1)
      .flat()
      .sort()
  )
  assert.strictEqual(then.length, 4)
  assert.match(now[0].partition, /^city=Bergen\/day_bucket=\d$/)
})

test("a missing table, and a Trino that does not run", async () => {
  const missing = await Promise.all(["describe", "files"].map((view) => rejected(["table", view, "x_no_such_table"])))
  for (const output of missing) assert.match(output, /^There is no table default\.x_no_such_table yet; .*\.\n$/)
  const away = { FLOE_TRINO_URL: "http://localhost:2" }
  const unreachable = await Promise.all([
    rejected(["table", "describe"], away),
    rejected(["query", "--as-of", older.id, "SELECT count(*) FROM weather"], away)
  ])
  for (const output of unreachable) assert.match(output, /^The table .* set FLOE_TRINO_URL to its address\.\n$/)
})

test("without Kafka all but the log's positions is known", async () => {
  const { code, out, err } = await run(["table", "describe", "--json"], { FLOE_KAFKA_BROKERS: "localhost:2" })
  assert.strictEqual(code, 0)
  assert.match(err, /The sink's control topic cannot be read: .*FLOE_KAFKA_BROKERS.*Log positions are left out\.\n$/)
  const { current } = JSON.parse(out)
  assert.isAbove(current.rows, 0)
  assert.isNull(current.log)
})
