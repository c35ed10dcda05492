/** A stream's later versions: its table is read through old and new files, before and after compaction. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import * as QueryLayer from "../../../layers/table/duckdb/Query.ts"
import { readMetadata } from "../../../layers/table/iceberg/MetadataFiles.ts"
import * as TableSpec from "../../../layers/table/schema/TableSpec.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Query } from "../../../services/Query.ts"
import type { AppliedStream, Column } from "../../../services/StreamDefinition.ts"
import { Streams as StreamsService } from "../../../services/Streams.ts"
import { environment, maintainAll, openWriter } from "../../support/icebergTable.ts"
import { applied } from "../../support/typedStream.ts"

const optional = { required: false } as const
const first: ReadonlyArray<Column> = [
  { name: "n", type: "int", ...optional },
  { name: "x", type: "float", ...optional },
  { name: "price", type: "decimal(9,2)", ...optional },
  { name: "kind", type: "string", ...optional },
  { name: "old", type: "string", ...optional },
  { name: "place", type: "struct", ...optional, fields: [{ name: "lat", type: "int", ...optional }] },
  {
    name: "items",
    type: "list",
    ...optional,
    nullable: true,
    element: { type: "struct", fields: [{ name: "sku", type: "string", ...optional }] }
  }
]
const second: ReadonlyArray<Column> = [
  { name: "n", type: "long", ...optional },
  { name: "x", type: "double", ...optional },
  { name: "price", type: "decimal(18,2)", ...optional },
  { name: "category", type: "string", renamedFrom: "kind", ...optional },
  {
    name: "place",
    type: "struct",
    ...optional,
    fields: [
      { name: "lat", type: "long", ...optional },
      { name: "code", type: "binary", ...optional }
    ]
  },
  {
    name: "items",
    type: "list",
    ...optional,
    nullable: true,
    element: {
      type: "struct",
      fields: [
        { name: "sku", type: "string", ...optional },
        { name: "count", type: "long", ...optional }
      ]
    }
  },
  { name: "note", type: "string", ...optional }
]
const partitionBy = [{ column: "kind", transform: "identity" }] as const
const one = applied("orders", first, partitionBy)
const two = applied("orders", second, [{ column: "category", transform: "identity" }], one)

const old = `{"n":2147483647,"x":1.5,"price":"9999999.99","kind":"a","old":"gone","place":{"lat":1},"items":[{"sku":"s"},null]}`
const young = `{"n":"9223372036854775807","x":0.1,"price":"9999999999999999.99","category":"a","place":{"lat":"3000000000","code":"AP8="},"items":[{"sku":"t","count":"7"}],"note":"new"}`

const oldRow = [2147483647, "1.5", "9999999.99", "a", `{"lat":1,"code":null}`, `[{"sku":"s","count":null},null]`, null]
const youngRow = [
  "9223372036854775807",
  "0.1",
  "9999999999999999.99",
  "a",
  `{"lat":3000000000,"code":"\\\\x00\\\\xFF"}`,
  `[{"sku":"t","count":7}]`,
  "new"
]

const open = Effect.fnUntraced(function* (stream: AppliedStream, failpoint?: Parameters<typeof openWriter>[0]) {
  const tableFolder = (yield* DataFolder).tableAt("orders")
  return yield* openWriter({ tableFolder, spec: TableSpec.make(stream), ...failpoint })
})

const commit = Effect.fnUntraced(function* (writer: Effect.Success<ReturnType<typeof open>>, line: string) {
  const before = yield* writer.committed
  yield* writer.stage([line])
  yield* writer.commit({
    logId: "a-log",
    offset: Option.match(before, { onNone: () => 0, onSome: ({ progress }) => progress.offset }) + 1
  })
})

const columns = `n, x::VARCHAR, price::VARCHAR, category, to_json(place)::VARCHAR, to_json(items)::VARCHAR, note`

const query = Effect.fnUntraced(function* (sql: string) {
  return yield* Stream.runCollect((yield* (yield* Query).execute(sql)).rows)
}, Effect.scoped)

const recorded = Effect.fnUntraced(function* (...streams: ReadonlyArray<AppliedStream>) {
  for (const stream of streams) yield* (yield* StreamsService).record(stream)
})

const live = QueryLayer.layer.pipe(Layer.provideMerge(Streams.layer), Layer.provideMerge(environment))

describe("a later version of a stream", () => {
  it.effect("reads old and new files, also after compaction, and rows staged before it", () =>
    Effect.gen(function* () {
      yield* recorded(one, two)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* open(one)
          yield* commit(writer, old)
          yield* writer.stage([old])
          yield* writer.evolve(two)
          assert.deepStrictEqual(
            (yield* query(`SELECT ${columns} FROM orders`)).map((row) => row.map(String)),
            [oldRow.map(String)]
          )
          yield* commit(writer, young)
          yield* commit(writer, old)
        })
      )
      const expected = [oldRow, oldRow, oldRow, youngRow].map((row) => row.map(String))
      const read = Effect.map(query(`SELECT ${columns} FROM orders ORDER BY n`), (rows) =>
        rows.map((row) => row.map(String))
      )
      assert.deepStrictEqual(yield* read, expected)
      yield* Effect.scoped(Effect.flatMap(open(two), maintainAll))
      assert.deepStrictEqual(yield* query("SELECT count(*) FROM orders"), [["4"]])
      assert.deepStrictEqual(yield* read, expected)
      const folder = (yield* DataFolder).tableAt("orders")
      const { metadata } = Option.getOrThrow(yield* readMetadata(folder))
      assert.strictEqual(metadata["last-column-id"], two.lastId)
      assert.strictEqual(metadata["current-schema-id"], 1)
    }).pipe(Effect.provide(live))
  )

  it.effect("is completed by the same call after any interruption, and the old version's sink goes on meanwhile", () =>
    Effect.gen(function* () {
      yield* recorded(one)
      yield* Effect.scoped(Effect.flatMap(open(one), (writer) => commit(writer, old)))
      for (const step of ["written", "durable", "linked", "hinted"] as const) {
        const dying = open(one, {
          failpoint: (at) => (at === step ? Effect.die("killed") : Effect.void)
        })
        yield* Effect.exit(Effect.scoped(Effect.flatMap(dying, (writer) => writer.evolve(two))))
        yield* Effect.scoped(Effect.flatMap(open(one), (writer) => commit(writer, old)))
        assert.strictEqual((yield* query("SELECT * FROM orders")).length > 0, true, step)
      }
      yield* Effect.scoped(Effect.flatMap(open(one), (writer) => writer.evolve(two)))
      yield* Effect.scoped(Effect.flatMap(open(one), (writer) => writer.evolve(two)))
      yield* Effect.scoped(Effect.flatMap(open(two), (writer) => commit(writer, young)))
      const folder = (yield* DataFolder).tableAt("orders")
      const { metadata } = Option.getOrThrow(yield* readMetadata(folder))
      assert.strictEqual(metadata.schemas.length, 2)
      const rows = yield* query(`SELECT ${columns} FROM orders ORDER BY n`)
      assert.deepStrictEqual(
        rows.map((row) => row.map(String)),
        [...Array.from({ length: 5 }, () => oldRow), youngRow].map((row) => row.map(String))
      )
    }).pipe(Effect.provide(live))
  )

  it.effect("gives a table without a commit its first columns, and one that is behind its log the newest", () =>
    Effect.gen(function* () {
      yield* recorded(one, two)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* open(one)
          yield* writer.evolve(two)
          assert.isTrue(Option.isNone(yield* readMetadata((yield* DataFolder).tableAt("orders"))))
        })
      )
      yield* Effect.scoped(Effect.flatMap(open(one), (writer) => commit(writer, old)))
      yield* Effect.scoped(Effect.flatMap(open(two), (writer) => commit(writer, young)))
      assert.deepStrictEqual(yield* query("SELECT category, note FROM orders ORDER BY n"), [
        ["a", null],
        ["a", "new"]
      ])
    }).pipe(Effect.provide(live))
  )

  it.effect("is refused if old files could not be read under it", () =>
    Effect.gen(function* () {
      const writer = yield* open(one)
      yield* commit(writer, old)
      const refusals = [
        [{ name: "n", type: "string", ...optional }, "cannot change the column n from int to string"],
        [
          { name: "price", type: "decimal(9,3)", ...optional },
          "cannot change the column price from decimal(9,2) to decimal(9,3)"
        ],
        [{ name: "x", type: "int", ...optional }, "cannot change the column x from float to int"]
      ] as const
      for (const [column, sentence] of refusals) {
        const changed = first.map((one) => (one.name === column.name ? column : one))
        const error = yield* Effect.flip(writer.evolve(applied("orders", changed, partitionBy, one)))
        assert.include(error.message, sentence)
      }
      const unpartitioned = yield* Effect.flip(writer.evolve(applied("orders", first, [], one)))
      assert.include(unpartitioned.message, "cannot change how it is partitioned")
      yield* commit(writer, old)
    }).pipe(Effect.scoped, Effect.provide(environment))
  )
})
