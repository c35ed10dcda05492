import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option, Schema } from "effect"
import fc from "fast-check"
import * as TableWriterLayer from "../../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { TableWriter } from "../../../services/TableWriter.ts"
import { WeatherRecord } from "../../../services/Weather.ts"
import {
  add,
  assertRows,
  environment,
  metadataFile,
  openWriter,
  readAvro,
  readJson,
  someRows
} from "../../support/icebergTable.ts"
import { icebirdRows, sorted } from "../../support/icebirdReader.ts"
import { readTable } from "../../support/readTable.ts"

const duckdbRows = (paths: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const instance = await DuckDBInstance.create(":memory:")
    const connection = await instance.connect()
    const files = paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(", ")
    const result = await connection.runAndReadAll(
      `SELECT city, temperature, ts FROM read_parquet([${files}], hive_partitioning = false)`
    )
    connection.closeSync()
    instance.closeSync()
    return Schema.decodeUnknownSync(Schema.Array(WeatherRecord))(result.getRowObjectsJson())
  })

const anyCity = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  fc.string({ unit: "binary", minLength: 250, maxLength: 256 }),
  fc.string({ unit: fc.constantFrom("\u{10ffff}", "\ud7ff", "\ue000", "😀", "z"), minLength: 14, maxLength: 20 }),
  fc.constantFrom(
    "O'Hare",
    'the "Big" one',
    "\\N",
    "NULL",
    "عَمّان",
    "\u202eevil",
    "東京",
    "a,b;c|d",
    "😀".repeat(256),
    "ts=1"
  )
)
const anyTemperature = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.constantFrom("-0", "007.50", "1e308", "12345678901234567890.12345678901", "80.59")
)
const anyHour = fc.constantFrom("2026-01-08-14", "2026-01-08-15", "0001-01-01-00", "9999-12-31-23")
const anyRecord = fc
  .record({ city: anyCity, temperature: anyTemperature, ts: anyHour })
  .filter(Schema.is(WeatherRecord))

const Bounds = Schema.Array(Schema.Struct({ key: Schema.Int, value: Schema.Uint8Array }))
const Entry = Schema.Struct({
  data_file: Schema.Struct({
    file_path: Schema.String,
    lower_bounds: Bounds,
    upper_bounds: Bounds,
    record_count: Schema.BigInt,
    file_size_in_bytes: Schema.BigInt,
    split_offsets: Schema.UndefinedOr(Schema.Array(Schema.BigInt))
  })
})
const decodeEntries = Schema.decodeUnknownSync(Schema.Array(Entry))
const ListEntry = Schema.Struct({
  manifest_path: Schema.String,
  manifest_length: Schema.BigInt,
  partition_spec_id: Schema.Literal(0),
  content: Schema.Literal(0),
  sequence_number: Schema.BigInt,
  min_sequence_number: Schema.BigInt,
  added_snapshot_id: Schema.BigInt,
  added_files_count: Schema.Int,
  existing_files_count: Schema.Int,
  deleted_files_count: Schema.Int,
  added_rows_count: Schema.BigInt,
  existing_rows_count: Schema.BigInt,
  deleted_rows_count: Schema.BigInt,
  partitions: Schema.Array(
    Schema.Struct({ contains_null: Schema.Boolean, lower_bound: Schema.Uint8Array, upper_bound: Schema.Uint8Array })
  )
})
const decodeList = Schema.decodeUnknownSync(Schema.Array(ListEntry))
const Snapshots = Schema.Struct({ snapshots: Schema.Array(Schema.Struct({ "manifest-list": Schema.String })) })

const newestList = (tableFolder: string, version: number) => {
  const { snapshots } = Schema.decodeUnknownSync(Snapshots)(readJson(metadataFile(tableFolder, version)))
  return snapshots.at(-1)?.["manifest-list"] ?? ""
}

/** Every `field-id`, `element-id`, `key-id` or `value-id` of a schema, with the name it belongs to. */
const fieldIds = (schema: unknown): ReadonlyArray<string> => {
  if (Array.isArray(schema)) return schema.flatMap(fieldIds)
  if (typeof schema !== "object" || schema === null) return []
  const entries = Object.entries(schema)
  const name = "name" in schema ? schema.name : ""
  return [
    ...entries.filter(([key]) => key === "field-id").map(([, id]) => `${id} ${name}`),
    ...entries.filter(([key]) => key === "element-id").map(([, id]) => `${id} element`),
    ...entries.flatMap(([, value]) => fieldIds(value))
  ]
}

layer(environment)("a table in Iceberg's format", (it) => {
  it.effect("can be read by an independent reader", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      const writer = yield* openWriter()
      assert.deepStrictEqual(yield* readTable(table), Option.none())
      const rows = [...someRows(300, "Oslo"), ...someRows(200, "Lima", "2026-01-08-15")]
      const committed = yield* add(writer, rows)
      assert.deepStrictEqual([committed.version, committed.rows, committed.files], [1, 500, 2])
      yield* assertRows(table, rows)
      const more = someRows(10, "Pune", "2025-12-31-23")
      yield* add(writer, more)
      yield* assertRows(table, [...rows, ...more])
    })
  )

  it.effect("has the metadata that the specification requires of version 2", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      const current = Option.getOrThrow(yield* readTable(table))
      const metadata = readJson(metadataFile(table, current.version))
      // Iceberg table specification, "Table Metadata Fields" and "Snapshots": what v2 requires, and what current-snapshot-id brings.
      const Required = Schema.Struct({
        "format-version": Schema.Literal(2),
        "table-uuid": Schema.String.check(Schema.isUUID()),
        location: Schema.Literal(table),
        "last-sequence-number": Schema.Literal(2),
        "last-updated-ms": Schema.Int,
        "last-column-id": Schema.Literal(3),
        schemas: Schema.Array(Schema.Json),
        "current-schema-id": Schema.Int,
        "partition-specs": Schema.Array(Schema.Json),
        "default-spec-id": Schema.Int,
        "last-partition-id": Schema.Literal(1000),
        "sort-orders": Schema.Array(Schema.Json),
        "default-sort-order-id": Schema.Int,
        "current-snapshot-id": Schema.Literal(Number(current.snapshotId)),
        refs: Schema.Struct({
          main: Schema.Struct({
            "snapshot-id": Schema.Literal(Number(current.snapshotId)),
            type: Schema.Literal("branch")
          })
        }),
        snapshots: Schema.Array(
          Schema.Struct({
            "snapshot-id": Schema.Int,
            "sequence-number": Schema.Int,
            "timestamp-ms": Schema.Int,
            "manifest-list": Schema.String,
            summary: Schema.StructWithRest(Schema.Struct({ operation: Schema.String }), [
              Schema.Record(Schema.String, Schema.String)
            ])
          })
        )
      })
      const decoded = yield* Schema.decodeUnknownEffect(Required)(metadata)
      assert.deepStrictEqual(metadata.schemas, [
        {
          type: "struct",
          "schema-id": 0,
          fields: [
            { id: 1, name: "city", required: false, type: "string" },
            { id: 2, name: "temperature", required: false, type: "string" },
            { id: 3, name: "ts", required: false, type: "string" }
          ]
        }
      ])
      assert.deepStrictEqual(metadata["partition-specs"], [
        { "spec-id": 0, fields: [{ name: "ts", transform: "identity", "source-id": 3, "field-id": 1000 }] }
      ])
      assert.deepStrictEqual(metadata["sort-orders"], [{ "order-id": 0, fields: [] }])
      const newest = decoded.snapshots.at(-1)
      assert.deepInclude(newest?.summary, {
        operation: "append",
        "added-data-files": "1",
        "added-records": "10",
        "total-records": "510",
        "total-data-files": "3",
        "changed-partition-count": "1",
        "floe.log.id": "a-log",
        "floe.log.offset": "510"
      })
      assert.deepStrictEqual(
        decoded.snapshots.map((snapshot) => snapshot["sequence-number"]),
        [1, 2]
      )
    })
  )

  it.effect("has manifests with the field ids and the metadata that the specification requires", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      const version = Option.getOrThrow(yield* readTable(table)).version
      const list = readAvro(newestList(table, version))
      // Iceberg table specification, "Manifest Lists": required in v2.
      const listIds = "500 501 502 517 515 516 503 504 505 506 512 513 514 507 508 509 510 511".split(" ")
      const idsOfList = fieldIds(list.header["avro.schema"]).map((id) => id.split(" ")[0] ?? "")
      assert.includeMembers(idsOfList, listIds)
      assert.strictEqual(list.header["format-version"], "2")
      const manifests = decodeList(list.records)
      assert.deepStrictEqual(
        manifests.map((manifest) => [manifest.sequence_number, manifest.min_sequence_number]),
        [
          [1n, 1n],
          [2n, 2n]
        ]
      )
      assert.deepStrictEqual(
        manifests.map((manifest) => [manifest.added_files_count, manifest.added_rows_count]),
        [
          [2, 500n],
          [1, 10n]
        ]
      )
      const summary = manifests[0]?.partitions[0]
      assert.strictEqual(Buffer.from(summary?.lower_bound ?? []).toString(), "2026-01-08-14")
      assert.strictEqual(Buffer.from(summary?.upper_bound ?? []).toString(), "2026-01-08-15")
      for (const { manifest_path, manifest_length } of manifests) {
        assert.strictEqual(BigInt(statSync(manifest_path).size), manifest_length)
        const manifest = readAvro(manifest_path)
        // "Manifests": required in v2, with the ids of the maps' keys and values.
        const ids = fieldIds(manifest.header["avro.schema"])
        for (const id of [
          ...["0 status", "1 snapshot_id", "3 sequence_number", "4 file_sequence_number", "2 data_file"],
          ...["134 content", "100 file_path", "101 file_format", "102 partition", "1000 ts", "103 record_count"],
          ...["104 file_size_in_bytes", "117 key", "118 value", "126 key", "127 value", "129 key", "130 value"],
          ...["125 lower_bounds", "128 upper_bounds", "133 element", "140 sort_order_id"]
        ]) {
          assert.include(ids, id)
        }
        assert.include(JSON.stringify(manifest.header["avro.schema"]), '"logicalType":"map"')
        assert.deepInclude(manifest.header, {
          "schema-id": "0",
          "partition-spec-id": "0",
          "format-version": "2",
          content: "data"
        })
        assert.strictEqual(
          manifest.header["partition-spec"],
          '[{"name":"ts","transform":"identity","source-id":3,"field-id":1000}]'
        )
        assert.include(JSON.stringify(manifest.header.schema), '"name":"temperature"')
        for (const { data_file } of decodeEntries(manifest.records)) {
          assert.strictEqual(BigInt(statSync(data_file.file_path).size), data_file.file_size_in_bytes)
          assert.isUndefined(data_file.split_offsets)
        }
      }
    })
  )
})

layer(environment)("any valid record", (it) => {
  it.effect("arrives in the table byte for byte, within the bounds in the manifest", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      const writer = yield* openWriter()
      let written: ReadonlyArray<WeatherRecord> = []
      const seed = yield* Effect.sync(() => Date.now() & 0x7fffffff)
      const samples = fc.sample(fc.array(anyRecord, { maxLength: 60, size: "max" }), { numRuns: 25, seed })
      for (const rows of samples) {
        yield* add(writer, rows)
        written = [...written, ...rows]
      }
      assert.isAbove(written.length, 300)
      assert.deepStrictEqual(sorted(yield* icebirdRows(table)), sorted(written), `seed ${seed}`)
      const { files, version } = Option.getOrThrow(yield* readTable(table))
      assert.deepStrictEqual(sorted(yield* duckdbRows(files.map((file) => file.path))), sorted(written))
      let bounded = 0
      for (const { manifest_path } of decodeList(readAvro(newestList(table, version)).records)) {
        for (const { data_file } of decodeEntries(readAvro(manifest_path).records)) {
          const rows = yield* duckdbRows([data_file.file_path])
          assert.strictEqual(BigInt(rows.length), data_file.record_count)
          for (const [id, column] of [
            [1, "city"],
            [2, "temperature"],
            [3, "ts"]
          ] as const) {
            const lower = data_file.lower_bounds.find(({ key }) => key === id)?.value
            const upper = data_file.upper_bounds.find(({ key }) => key === id)?.value
            for (const row of rows) {
              const value = Buffer.from(row[column])
              if (lower !== undefined) assert.isAtMost(Buffer.compare(lower, value), 0)
              if (upper !== undefined) assert.isAtLeast(Buffer.compare(upper, value), 0)
              if (id === 1 && lower !== undefined) bounded++
            }
          }
        }
      }
      assert.isAbove(bounded, 0)
    })
  )
})

layer(TableWriterLayer.layer.pipe(Layer.provideMerge(environment)))("the sink's table", (it) => {
  it.effect("has one writer", () =>
    Effect.gen(function* () {
      const folder = yield* DataFolder
      yield* add(yield* TableWriter, someRows(3, "Oslo"))
      yield* assertRows(folder.table, someRows(3, "Oslo"))
      const second = yield* Effect.exit(Effect.scoped(Layer.build(Layer.fresh(TableWriterLayer.layer))))
      assert.include(String(second), "LockHeld")
    })
  )
})

layer(environment)("a sink that was killed", (it) => {
  it.effect("leaves spilled rows, which the next one removes", () =>
    Effect.gen(function* () {
      const temp = join((yield* DataFolder).root, "temp")
      const spilled = join(temp, "duckdb_temp_storage_DEFAULT-0.tmp")
      mkdirSync(temp)
      writeFileSync(spilled, "rows")
      yield* Effect.scoped(Layer.build(TableWriterLayer.layer))
      assert.isFalse(existsSync(spilled))
    })
  )
})
