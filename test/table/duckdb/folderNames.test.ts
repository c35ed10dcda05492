/** A data folder may have any name, and have a neighbour that its name, taken for a pattern, would match. */

import { cpSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import { at } from "../../../layers/runtime/DataFolder.ts"
import * as QueryLayer from "../../../layers/table/duckdb/Query.ts"
import * as TableChecksumsLayer from "../../../layers/table/duckdb/TableChecksums.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Query } from "../../../services/Query.ts"
import { TableChecksums } from "../../../services/TableChecksums.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { add, assertRows, hour, maintainAll, openWriter, someRows } from "../../support/icebergTable.ts"
import { weatherOnly } from "../../support/weatherOnly.ts"

const layers = (folder: string) =>
  Layer.mergeAll(QueryLayer.layer.pipe(Layer.provide(weatherOnly)), TableChecksumsLayer.layer).pipe(
    Layer.provideMerge(LeasesLayer.layer),
    Layer.provideMerge(at(folder))
  )

const names = [
  ["d[12]", "d1"],
  ["[!a]*{b,c}", "da"],
  ["k=v ts=2020-01-01-00", "k=w"],
  ["all *?[12]{a,b}{1..3}\\!'\"% %20 k=v;$~#&{uuid} → ü\n", "other"]
] as const

const answers = Effect.fnUntraced(function* () {
  const { rows } = yield* (yield* Query).execute(
    `SELECT city, temperature, ts FROM weather WHERE ts = '${hour}' ORDER BY city`
  )
  const view = Option.getOrThrow(yield* (yield* TableChecksums).view(weatherStream))
  return { rows: yield* Stream.runCollect(rows), hours: yield* view.hours }
}, Effect.scoped)

it.live("queries, checksums, commits and compaction work in a data folder of any name", () =>
  Effect.gen(function* () {
    const parent = yield* temporaryFolder
    for (const [name, neighbour] of names) {
      const folder = join(parent, name)
      const expected = [...someRows(2, "a"), ...someRows(2, "b")]
      yield* Effect.gen(function* () {
        const { table } = yield* DataFolder
        yield* Effect.scoped(
          Effect.gen(function* () {
            const writer = yield* openWriter()
            yield* add(writer, someRows(2, "a"))
            yield* add(writer, someRows(2, "b"))
          })
        )
        cpSync(folder, join(parent, neighbour), { recursive: true })
        const check = Effect.gen(function* () {
          const { hours, rows } = yield* answers()
          assert.deepStrictEqual(
            rows,
            expected.map(({ city, temperature, ts }) => [city, temperature, ts]),
            name
          )
          assert.deepStrictEqual(
            [...hours].map(([ts, { rows }]) => [ts, rows]),
            [[hour, 4]]
          )
        })
        yield* check
        const merged = yield* Effect.scoped(Effect.flatMap(openWriter(), maintainAll))
        assert.strictEqual(merged.filesCompacted, 2, name)
        yield* check
        yield* assertRows(table, expected)
      }).pipe(Effect.provide(layers(folder)))
    }
  }).pipe(Effect.scoped)
)
