/** Partitions of typed tables. Expected values are those of the specification's transforms and of its examples of hashes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { readMetadata } from "../../../layers/table/iceberg/MetadataFiles.ts"
import { readEntries } from "../../../layers/table/iceberg/readManifests.ts"
import * as TableSpec from "../../../layers/table/schema/TableSpec.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { Column, PartitionField } from "../../../services/StreamDefinition.ts"
import { environment, maintainAll, openWriter, readAvro } from "../../support/icebergTable.ts"
import { applied, type Event } from "../../support/typedStream.ts"

const column = (name: string, type: Extract<Column["type"], string>): Column => {
  if (type === "struct" || type === "list" || type === "map") throw new Error("not a primitive type")
  return { name, type, required: false }
}

const plain = (value: unknown) => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  return typeof value === "bigint" ? String(value) : value
}

/** The partition of each data file of the table, with its rows. */
const partitionsOf = Effect.fnUntraced(function* (tableFolder: string) {
  const current = Option.getOrThrow(yield* readMetadata(tableFolder))
  const live = yield* readEntries(tableFolder, current)
  return live.map(({ entry }) => ({
    values: Object.values(entry.data_file.partition).map(plain),
    rows: entry.data_file.record_count
  }))
})

const written = Effect.fnUntraced(function* (
  columns: ReadonlyArray<Column>,
  partitionBy: ReadonlyArray<PartitionField>,
  events: ReadonlyArray<Event>
) {
  const tableFolder = (yield* DataFolder).tableAt("typed")
  const spec = TableSpec.make(applied("typed", columns, partitionBy))
  yield* Effect.scoped(
    Effect.gen(function* () {
      const writer = yield* openWriter({ tableFolder, spec })
      yield* writer.stage(events.map((event) => JSON.stringify(event)))
      yield* writer.commit({ logId: "a-log", offset: events.length })
    })
  )
  return { tableFolder, spec, partitions: yield* partitionsOf(tableFolder) }
})

type Case = readonly [
  type: Parameters<typeof column>[1],
  transform: PartitionField["transform"],
  value: unknown,
  expected: unknown,
  width?: number
]

const all = 2 ** 31 - 1
const hash = (signed: number) => (signed & 0x7fffffff) % all

const cases: ReadonlyArray<Case> = [
  ["timestamptz", "year", "1969-12-31T23:59:59.999999Z", -1],
  ["timestamptz", "month", "1969-12-31T23:59:59.999999Z", -1],
  ["timestamptz", "day", "1969-12-31T23:59:59.999999Z", -1],
  ["timestamptz", "hour", "1969-12-31T23:59:59.999999Z", -1],
  ["timestamp", "hour", "9999-12-31T23:59:59.999999", 70389527],
  ["timestamp", "day", "0001-01-01T00:00:00.000000", -719162],
  ["date", "month", "2017-12-01", 575],
  ["date", "day", "2017-12-01", 17501],
  ["accepted", "year", "2017-12-01T00:00:00.000000Z", 47],
  ["int", "truncate", -1, -10, 10],
  ["long", "truncate", "-9223372036854775808", "9223372036854775806", 10],
  ["decimal(9,2)", "truncate", "10.65", "0000041a", 50],
  ["decimal(38,10)", "truncate", "-0.0000000001", "fffffffffffffffffffffffffffffff6", 10],
  ["decimal(3,3)", "truncate", "-0.001", "fff6", 10],
  ["string", "truncate", "😀é and more", "😀é ", 3],
  ["binary", "truncate", "AAECAw==", "000102", 3],
  ["int", "bucket", 34, hash(2017239379), all],
  ["long", "bucket", "34", hash(2017239379), all],
  ["decimal(9,2)", "bucket", "14.20", hash(-500754589), all],
  ["date", "bucket", "2017-11-16", hash(-653330422), all],
  ["time", "bucket", "22:31:08.000000", hash(-662762989), all],
  ["timestamp", "bucket", "2017-11-16T22:31:08.000000", hash(-2047944441), all],
  ["timestamptz", "bucket", "2017-11-16T22:31:08.000000Z", hash(-2047944441), all],
  ["string", "bucket", "iceberg", hash(1210000089), all],
  ["uuid", "bucket", "f79c3e09-677c-4bbd-a479-3f349cb785e7", hash(1488055340), all],
  ["binary", "bucket", "AAECAw==", hash(-188683207), all],
  ["boolean", "identity", true, true],
  ["decimal(12,2)", "identity", "-14.20", "fffffffffa74"],
  ["uuid", "identity", "f79c3e09-677c-4bbd-a479-3f349cb785e7", "f79c3e09677c4bbda4793f349cb785e7"],
  ["time", "identity", "00:00:01.000001", 1000001],
  ["string", "identity", "a/b=c %\u0000'", "a/b=c %\u0000'"],
  ["string", "identity", "", ""],
  ["string", "identity", "é".repeat(1000), "é".repeat(1000)],
  ["string", "identity", "\u0001x", "\u0001x"],
  ["binary", "identity", Buffer.alloc(500, 1).toString("base64"), Buffer.alloc(500, 1).toString("hex")]
]

describe("the partition of a value", () => {
  for (const [type, transform, value, expected, width] of cases) {
    it.effect(`${transform} of ${type} ${JSON.stringify(value).slice(0, 40)}, and of null`, () =>
      Effect.gen(function* () {
        const by: PartitionField = { column: "at", transform, ...(width !== undefined && { width }) }
        const { partitions } = yield* written(
          [column("at", type), column("n", "int")],
          [by],
          [{ at: value, n: 1 }, { n: 2 }]
        )
        assert.sameDeepMembers(
          [...partitions],
          [
            { values: [expected], rows: 1 },
            { values: [null], rows: 1 }
          ]
        )
      }).pipe(Effect.provide(environment))
    )
  }
})

const Listed = Schema.Array(
  Schema.Struct({
    partitions: Schema.Array(
      Schema.Struct({
        contains_null: Schema.Boolean,
        lower_bound: Schema.NullOr(Schema.Uint8Array),
        upper_bound: Schema.NullOr(Schema.Uint8Array)
      })
    )
  })
)

it.effect("more partitions than DuckDB keeps open, in two fields, and then merged", () =>
  Effect.gen(function* () {
    const columns = [column("day", "date"), column("kind", "string"), column("n", "int")]
    const day = (i: number) => new Date(i * 86_400_000).toISOString().slice(0, 10)
    const events = Array.from({ length: 600 }, (_, i) => ({ day: day((i % 150) - 400), kind: `k${i % 2}`, n: i }))
    const by: ReadonlyArray<PartitionField> = [
      { column: "day", transform: "day" },
      { column: "kind", transform: "identity" }
    ]
    const { partitions, spec, tableFolder } = yield* written(columns, by, events)
    assert.strictEqual(new Set(partitions.map(({ values }) => values.join())).size, 150)
    assert.strictEqual(partitions.length, 150)
    const current = Option.getOrThrow(yield* readMetadata(tableFolder))
    const list = readAvro(current.snapshot["manifest-list"])
    const [manifest] = Schema.decodeUnknownSync(Listed)(list.records)
    const bounds = manifest?.partitions.map(({ lower_bound, upper_bound }) =>
      [lower_bound, upper_bound].map((bytes) => Buffer.from(bytes ?? []).toString("hex"))
    )
    assert.deepStrictEqual(bounds, [
      ["70feffff", "05ffffff"],
      ["6b30", "6b31"]
    ])
    const more = Effect.gen(function* () {
      const writer = yield* openWriter({ tableFolder, spec, snapshotKeep: 1 })
      yield* writer.stage(events.map((event) => JSON.stringify(event)))
      yield* writer.commit({ logId: "a-log", offset: 1200 })
    })
    yield* Effect.scoped(more)
    assert.strictEqual((yield* partitionsOf(tableFolder)).length, 300)
    yield* Effect.scoped(Effect.flatMap(openWriter({ tableFolder, spec, snapshotKeep: 1 }), maintainAll))
    const after = yield* partitionsOf(tableFolder)
    assert.deepStrictEqual([after.length, after.every(({ rows }) => rows === 8)], [150, true])
  }).pipe(Effect.provide(environment))
)
