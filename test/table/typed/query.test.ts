/** Queries and descriptions of the tables of several streams. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import * as QueryLayer from "../../../layers/table/duckdb/Query.ts"
import * as TableReaderLayer from "../../../layers/table/iceberg/TableReader.ts"
import * as TableSpec from "../../../layers/table/schema/TableSpec.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Query } from "../../../services/Query.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams as StreamsService } from "../../../services/Streams.ts"
import { type AsOf, TableReader } from "../../../services/TableReader.ts"
import { environment, openWriter, someRows } from "../../support/icebergTable.ts"
import { applied, edgeEvents, nestedColumns, primitiveColumns, timeColumn } from "../../support/typedStream.ts"

const readings = applied(
  "readings",
  [
    { name: "device", type: "uuid", required: true },
    { name: "at", type: "timestamptz", required: true },
    { name: "celsius", type: "double", required: true }
  ],
  [
    { column: "at", transform: "day" },
    { column: "device", transform: "bucket", width: 4 }
  ]
)
const devices = applied("devices", [
  { name: "device", type: "uuid", required: true },
  { name: "room", type: "string", required: true }
])
const everything = applied("everything", [...primitiveColumns, timeColumn, ...nestedColumns])

const live = QueryLayer.layer.pipe(Layer.provideMerge(Streams.layer), Layer.provideMerge(environment))

const query = Effect.fnUntraced(function* (sql: string, asOf?: AsOf) {
  return yield* Stream.runCollect((yield* (yield* Query).execute(sql, { asOf })).rows)
}, Effect.scoped)

const write = Effect.fnUntraced(function* (stream: AppliedStream, events: ReadonlyArray<object>, offset: number) {
  const tableFolder = (yield* DataFolder).tableAt(stream.definition.name)
  const writer = yield* openWriter({ tableFolder, spec: TableSpec.make(stream) })
  yield* writer.stage(events.map((event) => JSON.stringify(event)))
  return yield* writer.commit({ logId: "a-log", offset })
}, Effect.scoped)

const [one, two] = ["018f14e4-5fce-7a46-9f9f-0a5e8f3d6a1b", "8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c"]

describe("the tables of streams", () => {
  it.effect("are there before their first commit, with typed columns and without rows", () =>
    Effect.gen(function* () {
      for (const stream of [readings, everything]) yield* (yield* StreamsService).record(stream)
      assert.deepStrictEqual(yield* query("SHOW TABLES"), [["everything"], ["readings"], ["weather"]])
      assert.deepStrictEqual(yield* query("SELECT count(*), avg(celsius) FROM readings"), [["0", null]])
      const described = yield* query("SELECT column_name, column_type FROM (DESCRIBE everything)")
      const spec = TableSpec.make(everything)
      assert.deepStrictEqual(
        described.map(([name]) => name),
        spec.schema.fields.map(({ name }) => name)
      )
      assert.deepStrictEqual(
        described.slice(0, 3).map(([, type]) => type),
        ["BOOLEAN", "INTEGER", "BIGINT"]
      )
      const missing = yield* Effect.flip(query("SELECT * FROM weather"))
      assert.include(missing.message, "there is no table yet")
    }).pipe(Effect.provide(live))
  )

  it.effect("join each other and weather, now and as of an older time", () =>
    Effect.gen(function* () {
      for (const stream of [readings, devices]) yield* (yield* StreamsService).record(stream)
      const before = yield* write(readings, [{ device: one, at: "2026-11-27T10:11:12.123456Z", celsius: 21.5 }], 1)
      yield* write(readings, [{ device: two, at: "1969-12-31T23:59:59.999999Z", celsius: -1 }], 2)
      yield* write(devices, [{ device: one, room: "kitchen" }], 1)
      const writer = yield* openWriter()
      yield* writer.stage(someRows(1, "kitchen"))
      yield* writer.commit({ logId: "a-log", offset: 1 })
      const joined = yield* query(
        "SELECT r.at, d.room, w.temperature FROM readings r JOIN devices d USING (device) JOIN weather w ON w.city = d.room || ' 0'"
      )
      assert.deepStrictEqual(joined, [["2026-11-27T10:11:12.123456Z", "kitchen", "0.25"]])
      assert.deepStrictEqual(yield* query("SELECT date_trunc('day', r.at) FROM readings r ORDER BY 1"), [
        ["1969-12-31T00:00:00Z"],
        ["2026-11-27T00:00:00Z"]
      ])
      const asOf: AsOf = { _tag: "Snapshot", id: before.snapshotId }
      assert.deepStrictEqual(yield* query("SELECT count(*) FROM readings", asOf), [["1"]])
      const several = yield* Effect.flip(query("SELECT * FROM readings, devices", asOf))
      assert.include(several.message, "A snapshot belongs to one table")
      assert.deepStrictEqual(
        yield* query("SELECT count(*) FROM readings, devices", { _tag: "Time", millis: 10 ** 12 }),
        [["2"]]
      )
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.effect("are described with their types and partitions", () =>
    Effect.gen(function* () {
      yield* write(readings, [{ device: one, at: "2026-11-27T10:11:12.123456Z", celsius: 21.5 }], 1)
      const reader = yield* Effect.provide(Effect.service(TableReader), TableReaderLayer.at("readings"))
      const { columns, partitioning } = yield* reader.describe
      assert.deepStrictEqual(
        columns.map(({ name, type }) => `${name} ${type}`),
        ["device uuid", "at timestamptz", "celsius double"]
      )
      assert.deepStrictEqual(partitioning, ["day(at)", "bucket(4, device)"])
      const files = yield* Stream.runCollect(reader.files())
      assert.match(files[0]?.partition ?? "", /^at_day=2026-11-27\/device_bucket=[0-3]$/)
      assert.match(files[0]?.path ?? "", /^data\/at_day=2026-11-27\/device_bucket=[0-3]\/.*\.parquet$/)
    }).pipe(Effect.provide(environment))
  )

  it.effect("are read with every value as it was staged", () =>
    Effect.gen(function* () {
      yield* (yield* StreamsService).record(everything)
      const columns = everything.definition.columns
      const events = edgeEvents(columns)
      yield* write(everything, events, events.length)
      const rows = yield* query(
        "SELECT long, huge::VARCHAR, e.at, text, uuid, bytes FROM everything e WHERE text IS NOT NULL"
      )
      const texts = (name: string) => events.map((event) => event[name]).filter((value) => value !== undefined)
      assert.sameMembers(
        rows.map((row) => row[3]),
        texts("text")
      )
      assert.strictEqual(rows.length, texts("text").length)
    }).pipe(Effect.provide(live))
  )
})
