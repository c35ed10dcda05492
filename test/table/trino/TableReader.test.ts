import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import * as QueryLayer from "../../../layers/table/trino/Query.ts"
import { type Snapshot, sinkCommits } from "../../../layers/table/trino/snapshots.ts"
import * as TableChecksumsLayer from "../../../layers/table/trino/TableChecksums.ts"
import * as TableReaderLayer from "../../../layers/table/trino/TableReader.ts"
import { Query } from "../../../services/Query.ts"
import { type SinkCommit, SinkCommits, SinkCommitsUnavailable } from "../../../services/SinkCommits.ts"
import { checksumOf, TableChecksums } from "../../../services/TableChecksums.ts"
import { AsOf, TableReader } from "../../../services/TableReader.ts"
import { weatherStream } from "../../../services/Weather.ts"
import recorded from "../../recorded/trinoTable.json" with { type: "json" }
import { serving } from "../../support/httpService.ts"

const onlyWeather = JSON.stringify({
  id: "1",
  columns: [{ name: "table_name", type: "varchar", typeSignature: { rawType: "varchar", arguments: [] } }],
  data: [["weather"]]
})

/** What is asked, and what Trino answered to it. */
const answers: ReadonlyArray<readonly [asked: RegExp, answer: string]> = [
  [/table_name IN \(.*'weather'/, onlyWeather],
  [/nosuch/, recorded.noTable],
  [/^SHOW CREATE TABLE iceberg\.default\."weather"$/, recorded.created],
  [/information_schema/, recorded.columns],
  [/all_entries/, recorded.filesAsOf],
  [/<= 1577836800000\)/, recorded.notFound],
  [/try_cast\('2551378174986507336'/, recorded.found],
  [/\$properties"$/, recorded.properties],
  [/\$history"/, recorded.history],
  [/\$files"/, recorded.files],
  [/\$snapshots"\nORDER BY/, recorded.snapshots]
]

const trino = serving(({ body }) => {
  const answer = answers.find(([asked]) => asked.test(body))?.[1]
  return answer === undefined ? { status: 500, body: `nothing is recorded for ${body}` } : { status: 200, body: answer }
})

const position = [{ partition: 0, offset: 7727 }]
const newest: SinkCommit = { id: "", controlTopic: "control-iceberg", end: 0 }

/** The control topic shows only the newest commit. */
const controlTopic = Layer.succeed(SinkCommits, {
  positions: ([commit = newest]) => Effect.succeed(new Map([[commit.id, position]]))
})
const noControlTopic = Layer.succeed(SinkCommits, {
  positions: () => Effect.fail(new SinkCommitsUnavailable({ reason: "no broker answers", cause: undefined }))
})

const looking = Effect.fnUntraced(function* <A, E>(
  look: (reader: TableReader["Service"]) => Effect.Effect<A, E>,
  { table = "weather", commits = controlTopic } = {}
) {
  const { base } = yield* trino
  const query = QueryLayer.at(new URL(base), "floe")
  return yield* TableReader.use(look).pipe(
    Effect.provide(TableReaderLayer.at(table).pipe(Layer.provide([query, commits])))
  )
}, Effect.scoped)

const snapshot = {
  id: "1510635680487019612",
  parentId: "8657375922427309009",
  committedAt: 1795398005946,
  operation: "append",
  rowsAdded: 20,
  rowsRemoved: 0,
  filesAdded: 1,
  filesRemoved: 0,
  rows: 7697,
  files: 269,
  bytes: 0,
  log: { logId: null, positions: position }
}

describe("the table through Trino", () => {
  it.effect("is described", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* looking(({ describe }) => describe), {
        name: "default.weather",
        location: "s3a://warehouse/default/weather",
        formatVersion: 2,
        columns: ["city", "temperature", "ts"].map((name) => ({ name, type: "varchar", required: false })),
        partitioning: ["ts"],
        properties: {
          "commit.retry.num-retries": "4",
          "write.format.default": "PARQUET",
          "write.parquet.compression-codec": "zstd"
        }
      })
    })
  )

  it.effect("has snapshots, with log positions where the control topic shows them", () =>
    Effect.gen(function* () {
      const [first, second, created, ...others] = yield* looking(({ snapshots }) => snapshots)
      assert.deepStrictEqual(first && { ...first, bytes: 0 }, snapshot)
      assert.isAbove(first?.bytes ?? 0, 300_000)
      assert.strictEqual(second?.id, snapshot.parentId)
      assert.isNull(second?.log)
      assert.deepStrictEqual(
        [created?.parentId, created?.rows, created?.rowsAdded, created?.files, created?.log],
        [null, 0, 0, 0, null]
      )
      assert.deepStrictEqual(others, [])
      const current = Option.getOrThrow(yield* looking(({ current }) => current))
      assert.deepStrictEqual({ ...current, bytes: 0 }, snapshot)
    })
  )

  it.effect("has snapshots without Kafka, too", () =>
    Effect.gen(function* () {
      const found = yield* looking(({ snapshots }) => snapshots, { commits: noControlTopic })
      assert.deepStrictEqual(
        found.map(({ log, rows }) => [rows, log]),
        [
          [7697, null],
          [7677, null],
          [0, null]
        ]
      )
    })
  )

  it.effect("has a history", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* looking(({ history }) => history), [
        {
          madeCurrentAt: snapshot.committedAt,
          snapshotId: snapshot.id,
          parentId: snapshot.parentId,
          isCurrentAncestor: true
        },
        {
          madeCurrentAt: 1795395195576,
          snapshotId: "8062192747456558497",
          parentId: null,
          isCurrentAncestor: true
        }
      ])
    })
  )

  it.effect("has files, in the newest snapshot and in others", () =>
    Effect.gen(function* () {
      const [file, ...more] = yield* looking(({ files }) => Stream.runCollect(files()))
      assert.deepStrictEqual(file, {
        path: "data/ts=2026-11-23-01/00001-1795397997628-131c4b3f-05db-43fc-bb91-cbbdabe1d2d8-00001.parquet",
        partition: "ts=2026-11-23-01",
        rows: 20,
        bytes: 1439
      })
      assert.strictEqual(more.length, 1)
      const asOf = AsOf.make({ _tag: "Snapshot", id: "2551378174986507336" })
      const older = yield* looking(({ files }) => Stream.runCollect(files(asOf)))
      assert.deepStrictEqual(
        older.map(({ bytes, partition }) => [partition, bytes]),
        [
          ["ts=2026-11-23-00", 1437],
          ["ts=2026-11-23-00", 1414]
        ]
      )
    })
  )

  it.effect("a missing table is named, and so is a missing snapshot", () =>
    Effect.gen(function* () {
      const nosuch = { table: "nosuch" }
      for (const look of [
        looking(({ describe }) => Effect.asVoid(describe), nosuch),
        looking(({ snapshots }) => Effect.asVoid(snapshots), nosuch),
        looking(({ history }) => Effect.asVoid(history), nosuch),
        looking(({ files }) => Stream.runDrain(files()), nosuch)
      ]) {
        const error = yield* Effect.flip(look)
        assert.strictEqual(error._tag, "TableMissing")
        assert.match(error.message, /^There is no table default\.nosuch yet; .*\.$/)
      }
      assert.isTrue(Option.isNone(yield* looking(({ current }) => current, nosuch)))
      const before = AsOf.make({ _tag: "Time", millis: Date.UTC(2020, 0) })
      const missing = yield* Effect.flip(looking(({ files }) => Stream.runDrain(files(before))))
      assert.strictEqual(missing._tag, "SnapshotMissing")
      assert.include(
        missing.message,
        "keeps 271 snapshots, the oldest is 8062192747456558497 of 2026-11-23T00:53:15.576Z"
      )
    })
  )

  it.effect("is queried as of a snapshot, and errors have the original line numbers", () =>
    Effect.gen(function* () {
      const error = JSON.stringify({
        id: "1",
        error: {
          message: "line 3:8: Column 'a' cannot be resolved",
          errorName: "COLUMN_NOT_FOUND",
          errorType: "USER_ERROR"
        }
      })
      const { base, seen } = yield* serving(({ body }) => ({
        status: 200,
        body: body.startsWith("WITH") ? error : body.includes("table_name IN") ? onlyWeather : recorded.found
      }))
      const asOf = AsOf.make({ _tag: "Snapshot", id: "2551378174986507336" })
      const execute = (sql: string) =>
        Query.use((query) => Effect.scoped(query.execute(sql, { asOf }))).pipe(
          Effect.provide(QueryLayer.at(new URL(base), "floe")),
          Effect.flip
        )
      assert.strictEqual(
        (yield* execute("SELECT 1,\n a FROM weather;\n")).message,
        "line 2:8: Column 'a' cannot be resolved"
      )
      assert.strictEqual(
        seen.at(-1)?.body,
        "WITH weather AS (SELECT * FROM iceberg.default.weather FOR VERSION AS OF 2551378174986507336)\nSELECT 1,\n a FROM weather"
      )
      const rejected = yield* execute("DROP TABLE weather")
      assert.strictEqual(rejected._tag, "QueryFailed")
      assert.include(rejected.message, "only queries")
    })
  )
})

const page = (name: string, type: string) => ({ name, type, typeSignature: { rawType: type, arguments: [] } })
const properties = JSON.stringify({ id: "1", columns: [page("value", "varchar")], data: [["a topic's id"]] })

describe("the table's side of an audit", () => {
  const sums = JSON.stringify({
    id: "1",
    columns: [page("ts", "varchar"), page("rows", "bigint"), page("sum", "decimal"), page("more", "bigint")],
    data: [
      ["2026-11-23-01", 3, "12345678901234567890", 0],
      [null, 1, "7", 0]
    ]
  })
  const broken = JSON.stringify({
    id: "1",
    error: { message: "Error opening the file", errorName: "ICEBERG_BAD_DATA", errorType: "EXTERNAL" }
  })

  /** What Trino answers when the hours are asked for, and when the snapshots are looked at again. */
  const view = Effect.fnUntraced(function* (hours: string, again = recorded.snapshots) {
    let looked = 0
    const { base } = yield* serving(({ body }) => {
      if (body.includes("GROUP BY ts")) return { status: 200, body: hours }
      if (body.includes("$properties")) return { status: 200, body: properties }
      return { status: 200, body: looked++ === 0 ? recorded.snapshots : again }
    })
    const sums = TableChecksumsLayer.layer.pipe(Layer.provide([QueryLayer.at(new URL(base), "floe"), controlTopic]))
    return yield* TableChecksums.use(({ view }) => view(weatherStream)).pipe(
      Effect.map(Option.getOrThrow),
      Effect.provide(sums)
    )
  })

  it.effect("reads the newest snapshot up to the sink's last commit, with exact sums", () =>
    Effect.gen(function* () {
      const { committed, hours, logId, snapshotId } = yield* view(sums)
      assert.strictEqual(Option.getOrNull(logId), "a topic's id")
      assert.deepStrictEqual([snapshotId, Option.getOrNull(committed)], [snapshot.id, position])
      assert.deepStrictEqual(
        [...(yield* hours)],
        [
          ["2026-11-23-01", { rows: 3, checksum: 12345678901234567890n, byOthers: 0 }],
          [null, { rows: 1, checksum: 7n, byOthers: 0 }]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("reports a snapshot that expires while it is read, and otherwise Trino's message", () =>
    Effect.gen(function* () {
      const kept = yield* Effect.flip((yield* view(broken)).hours)
      assert.strictEqual(kept.message, "The table cannot be queried: Error opening the file.")
      const others = recorded.snapshots.replaceAll(snapshot.id, "4711")
      const expired = yield* Effect.flip((yield* view(broken, others)).hours)
      assert.include(expired.message, `its snapshot ${snapshot.id} expired while it was read; try again`)
    }).pipe(Effect.scoped)
  )
})

/** Snapshots of a table and the rows of each, asked in Trino's words and answered by DuckDB. */
const trinoOf = Effect.fnUntraced(function* (
  snapshots: ReadonlyArray<{ readonly summary: Record<string, string>; readonly rows: ReadonlyArray<string> }>
) {
  const duckdb = yield* Effect.promise(async () => (await DuckDBInstance.create(":memory:")).connect())
  const answer = async (sql: string) => (await duckdb.runAndReadAll(sql)).getRowsJson()
  const run = (sql: string) => Effect.promise(() => answer(sql))
  yield* run("CREATE MACRO from_base(digits, base) AS CAST('0x' || digits AS BIGINT)")
  for (const [i, { rows }] of snapshots.entries()) {
    yield* run(`CREATE TABLE snapshot_${i + 1} (city VARCHAR, temperature VARCHAR, ts VARCHAR)`)
    for (const row of rows) yield* run(`INSERT INTO snapshot_${i + 1} VALUES (${row})`)
  }
  const made = snapshots.map(({ summary }, i) => [
    i + 1,
    i === 0 ? null : i,
    i,
    "append",
    summary,
    i === snapshots.length - 1
  ])
  const read = new Set<string>()
  const translated = (sql: string) =>
    sql
      .replaceAll(/iceberg\.default\.weather FOR VERSION AS OF BIGINT '(\d+)'/g, (_, id: string) => {
        read.add(id)
        return `snapshot_${id}`
      })
      .replaceAll(/U&'\\(\w{4})'/g, (_, code: string) => `chr(${Number.parseInt(code, 16)})`)
      // Its MD5 is hexadecimal already.
      .replaceAll(/to_hex|to_utf8/g, "")
  const { base } = yield* serving(({ body }) => {
    if (body.includes("$properties")) return { status: 200, body: properties }
    if (body.includes("$snapshots")) {
      return { status: 200, body: JSON.stringify({ ...JSON.parse(recorded.snapshots), data: made }) }
    }
    return answer(translated(body)).then((data) => ({
      status: 200,
      body: JSON.stringify({ id: "1", columns: (data[0] ?? []).map((_, i) => page(`_col${i}`, "varchar")), data })
    }))
  })
  return { base, read }
})

const a = { city: "Oslo", temperature: "1.5" }
const b = { city: "Łódź", temperature: "-2" }
const c = { city: "d'Or", temperature: "3" }
const [first, second] = ["2026-01-08-14", "2026-01-08-15"]
const row = ({ city, temperature }: typeof a, ts: string) =>
  `'${city.replaceAll("'", "''")}', '${temperature}', '${ts}'`
const stranger = row({ city: "Nowhere", temperature: "0" }, second)

describe("the table's side of an audit, after other writers", () => {
  it.effect("leaves out their changes, and lists them", () =>
    Effect.gen(function* () {
      const commit = {
        "kafka.connect.commit-id": "1",
        "kafka.connect.offsets.control-iceberg.connect-iceberg-sink": '{"0":9}',
        "added-records": "1"
      }
      const trino = { trino_query_id: "1", "engine-name": "trino" }
      const { base, read } = yield* trinoOf([
        { summary: trino, rows: [] },
        { summary: commit, rows: [row(a, first), row(b, first), row(b, second)] },
        {
          summary: { ...trino, "added-records": "1" },
          rows: [row(a, first), row(b, first), row(b, second), stranger]
        },
        { summary: { ...trino, "added-position-deletes": "1" }, rows: [row(b, first), row(b, second), stranger] },
        { summary: commit, rows: [row(b, first), row(b, second), stranger, row(c, second)] }
      ])
      const sums = TableChecksumsLayer.layer.pipe(Layer.provide([QueryLayer.at(new URL(base), "floe"), controlTopic]))
      const view = Option.getOrThrow(
        yield* TableChecksums.use(({ view }) => view(weatherStream)).pipe(Effect.provide(sums))
      )
      assert.deepStrictEqual(
        new Map(yield* view.hours),
        new Map([
          [first, { rows: 2, checksum: checksumOf(a) + checksumOf(b), byOthers: -1 }],
          [second, { rows: 2, checksum: checksumOf(b) + checksumOf(c), byOthers: 1 }]
        ])
      )
      // The snapshot between their two would be added and taken away.
      assert.deepStrictEqual(read, new Set(["2", "4", "5"]))
      assert.deepStrictEqual(
        yield* view.slices(first, 1),
        new Map([[0, { rows: 2, checksum: checksumOf(a) + checksumOf(b) }]])
      )
      const records = yield* Stream.runCollect(view.records(second, { of: 1, slices: [0] }))
      assert.deepStrictEqual(
        records
          .toSorted((one, other) => (one.text > other.text ? -1 : 1))
          .map(({ rows, shown }) => ({ ...shown, rows })),
        [
          { ...b, rows: 1 },
          { ...c, rows: 1 }
        ]
      )
      assert.deepStrictEqual(yield* view.others, {
        changes: [
          { snapshotId: "3", by: "trino", added: 1, deleted: 0 },
          { snapshotId: "4", by: "trino", added: 0, deleted: 1 }
        ],
        unknown: []
      })
    }).pipe(Effect.scoped)
  )
})

describe("the sink's commits in snapshots", () => {
  const made = (id: string, parentId: string | null, operation: string, commit?: number): Snapshot => ({
    id,
    parentId,
    committedAt: 0,
    operation,
    isCurrent: false,
    summary:
      commit === undefined
        ? { "total-records": "1" }
        : {
            "kafka.connect.commit-id": `c${commit}`,
            "kafka.connect.offsets.control-iceberg.connect-iceberg-sink": `{"0":${commit}}`
          }
  })
  const ends = (snapshots: ReadonlyArray<Snapshot>) =>
    Object.fromEntries(
      sinkCommits(snapshots)
        .entries()
        .map(([id, { end }]) => [id, end])
    )

  it("stay while the rows do, and are unknown after another writer until the sink commits again", () => {
    const line = [
      made("1", null, "append"),
      made("2", "1", "append", 10),
      made("3", "2", "replace"),
      made("4", "3", "replace"),
      made("5", "4", "delete"),
      made("6", "5", "replace"),
      made("7", "6", "append", 20),
      made("8", "7", "overwrite"),
      made("9", "expired", "replace")
    ]
    assert.deepStrictEqual(ends(line), { 2: 10, 3: 10, 4: 10, 7: 20 })
    assert.deepStrictEqual(ends(line.toReversed()), ends(line))
  })
})
