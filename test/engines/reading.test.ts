/** Other engines read tables that Floe wrote. */
import { dirname } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { environment, someRows } from "../support/icebergTable.ts"
import { commitRows } from "../support/weatherTable.ts"
import { Engines, layer as engines } from "./engines.ts"

const Live = Layer.merge(engines, TableWriterLayer.layer.pipe(Layer.provideMerge(environment)))

layer(Live, { timeout: 120_000 })("a table that Floe wrote", (it) => {
  it.effect("Spark, pyiceberg and DuckDB read its rows", () =>
    Effect.gen(function* () {
      yield* commitRows(someRows(5, "first"))
      yield* commitRows(someRows(7, "second", "2026-01-08-15"))
      const { spark, pyiceberg, duckdb } = yield* Engines
      const { table } = yield* DataFolder
      const warehouse = dirname(dirname(table))
      const expected = [...someRows(5, "first"), ...someRows(7, "second", "2026-01-08-15")].map((row) => [
        row.city,
        row.temperature,
        row.ts
      ])
      const bySpark = yield* spark(warehouse, "SELECT * FROM weather")
      assert.deepStrictEqual(bySpark.columns, ["city", "temperature", "ts"])
      assert.sameDeepMembers([...bySpark.rows], expected)
      assert.sameDeepMembers([...(yield* pyiceberg(table)).rows], expected)
      assert.strictEqual((yield* pyiceberg(table, "ts = '2026-01-08-15'")).rows.length, 7)
      assert.sameDeepMembers([...(yield* duckdb(`SELECT * FROM iceberg_scan('${table}')`)).rows], expected)
    })
  )
})
