/** Other engines skip files by the bounds in the manifests, so a wrong bound hides rows from them. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { hourOf } from "../../services/Weather.ts"
import { environment } from "../support/icebergTable.ts"
import { oddCities } from "../support/oddCities.ts"
import { commitRows } from "../support/weatherTable.ts"
import { Engines, layer as engines } from "./engines.ts"

const Live = Layer.merge(engines, TableWriterLayer.layer.pipe(Layer.provideMerge(environment)))

layer(Live, { timeout: 120_000 })("cities of any characters", (it) => {
  it.effect("are visible to pyiceberg and DuckDB, each in its own file", () =>
    Effect.gen(function* () {
      yield* commitRows(oddCities.map((city, i) => ({ city, temperature: "1", ts: hourOf(i * 3_600_000) })))
      const { pyiceberg, duckdb } = yield* Engines
      const { table } = yield* DataFolder
      const matches = (condition: string) =>
        Effect.all({
          pyiceberg: Effect.map(pyiceberg(table, condition), ({ rows }) => rows.map(([city]) => city)),
          duckdb: Effect.map(duckdb(`SELECT city FROM iceberg_scan('${table}') WHERE ${condition}`), ({ rows }) =>
            rows.map(([city]) => city)
          )
        })
      for (const limit of ["a", "z", "\ufeff", "\u{10ffff}"]) {
        const above = oddCities.filter((city) => Buffer.compare(Buffer.from(city), Buffer.from(limit)) > 0)
        const { pyiceberg, duckdb } = yield* matches(`city > '${limit}'`)
        assert.sameMembers(pyiceberg, [...above], `pyiceberg above ${JSON.stringify(limit)}`)
        assert.sameMembers(duckdb, [...above], `DuckDB above ${JSON.stringify(limit)}`)
      }
      for (const city of oddCities) {
        const both = yield* matches(`city = '${city}'`)
        assert.deepStrictEqual(both, { pyiceberg: [city], duckdb: [city] }, JSON.stringify(city))
      }
    })
  )
})
