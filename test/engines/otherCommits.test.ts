/** Floe keeps committing between the commits of Spark; Spark and pyiceberg read the rows. */
import { renameSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { readMetadata } from "../../layers/table/iceberg/MetadataFiles.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import type { TableWriter } from "../../services/TableWriter.ts"
import type { WeatherRecord } from "../../services/Weather.ts"
import { add, environment, maintainAll, openWriter, someRows } from "../support/icebergTable.ts"
import * as OtherProgram from "../support/otherProgram.ts"
import { Engines, layer as engines } from "./engines.ts"

const Live = Layer.merge(engines, environment)

const cells = (rows: ReadonlyArray<WeatherRecord>) => rows.map((row) => [row.city, row.temperature, row.ts])

const judged = Effect.fnUntraced(function* (table: string, rows: ReadonlyArray<WeatherRecord>) {
  const { pyiceberg, spark } = yield* Engines
  const warehouse = dirname(dirname(table))
  const bySpark = yield* spark(warehouse, "SELECT city, temperature, ts FROM weather")
  assert.sameDeepMembers([...bySpark.rows], cells(rows))
  assert.sameDeepMembers([...(yield* pyiceberg(table)).rows], cells(rows))
})

layer(Live, { timeout: 300_000 })("the sink beside Spark", (it) => {
  it.effect("keeps DELETE, INSERT, rewrite_data_files, expire_snapshots, a rollback and a move", () =>
    Effect.gen(function* () {
      const { spark } = yield* Engines
      const { table, root } = yield* DataFolder
      const warehouse = dirname(dirname(table))
      let rows = someRows(4, "r0")
      const more = Effect.fnUntraced(function* (writer: TableWriter["Service"], label: string) {
        rows = [...rows, ...someRows(2, label)]
        yield* add(writer, rows.slice(-2))
        yield* maintainAll(writer)
        yield* judged(table, rows)
      })
      const call = (text: string) => spark(warehouse, `CALL system.${text}`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* openWriter()
          yield* add(writer, rows)
          yield* spark(warehouse, "DELETE FROM weather WHERE city = 'r0 1'")
          rows = rows.filter(({ city }) => city !== "r0 1")
          yield* more(writer, "after the delete")
          yield* spark(warehouse, "INSERT INTO weather VALUES ('Rome', '0.25', '2026-01-08-14')")
          rows = [...rows, { city: "Rome", temperature: "0.25", ts: "2026-01-08-14" }]
          yield* more(writer, "after the insert")
          yield* call("rewrite_data_files(table => 'default.weather', options => map('rewrite-all', 'true'))")
          yield* more(writer, "after the rewriting")
          const target = Option.getOrThrow(yield* readMetadata(table)).snapshot["snapshot-id"]
          const then = rows
          yield* call(
            "expire_snapshots(table => 'default.weather', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)"
          )
          yield* more(writer, "after the expiry")
          const { progress } = Option.getOrThrow(yield* writer.committed)
          yield* call(`rollback_to_snapshot('default.weather', ${target})`)
          assert.strictEqual((yield* Effect.flip(writer.refresh))._tag, "TableChanged")
          assert.strictEqual(Option.getOrThrow(yield* writer.committed).progress.offset, progress.offset - 2)
          rows = then
          yield* more(writer, "after the rollback")
          // Hadoop's rename overwrites Floe's own version.
          const { version } = Option.getOrThrow(yield* writer.committed)
          OtherProgram.commit(table, version - 1, version)
          assert.strictEqual((yield* Effect.flip(writer.refresh))._tag, "TableChanged")
          rows = then
          yield* more(writer, "after the rename")
        })
      )
      const moved = join(root, "elsewhere", "default", "weather")
      yield* Effect.sync(() => renameSync(warehouse, join(root, "elsewhere")))
      yield* Effect.scoped(openWriter({ tableFolder: moved }))
      yield* judged(moved, rows)
    })
  )
})
