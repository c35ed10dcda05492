import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream } from "effect"
import * as QueryLayer from "../../../layers/table/duckdb/Query.ts"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import * as TableWriterLayer from "../../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Query } from "../../../services/Query.ts"
import { temporary } from "../../support/dataFolder.ts"
import { readTable } from "../../support/readTable.ts"
import { weatherOnly } from "../../support/weatherOnly.ts"
import { commitRows, reading } from "../../support/weatherTable.ts"

const live = Layer.mergeAll(QueryLayer.layer.pipe(Layer.provide(weatherOnly)), TableWriterLayer.layer).pipe(
  Layer.provideMerge(LeasesLayer.layer),
  Layer.provideMerge(temporary)
)

const failureOf = Effect.fnUntraced(function* (sql: string) {
  const run = Effect.flatMap((yield* Query).execute(sql), ({ rows }) => Stream.runCollect(rows))
  return (yield* Effect.flip(run)).message
}, Effect.scoped)

const oslo = reading("Oslo", "41.50", "2026-01-08-14")

describe("Query and damage", () => {
  it.effect("names the missing or damaged data file, and the command that repairs the table", () =>
    Effect.gen(function* () {
      yield* commitRows([oslo])
      const [file] = Option.getOrThrow(yield* readTable((yield* DataFolder).table)).files
      assert.isDefined(file)
      const whole = readFileSync(file.path)
      const flipped = (at: number) => {
        const bytes = Buffer.from(whole)
        bytes[at] = (bytes[at] ?? 0) ^ 0x10
        return bytes
      }
      const damages: ReadonlyArray<readonly [damage: () => void, fault: string]> = [
        [() => undefined, "is missing"],
        [() => mkdirSync(file.path), "is a folder, not a file"],
        [() => writeFileSync(file.path, ""), `has 0 bytes instead of ${whole.length}`],
        [() => writeFileSync(file.path, whole.subarray(0, 90)), `has 90 bytes instead of ${whole.length}`],
        [() => writeFileSync(file.path, flipped(whole.length - 1)), "is damaged: it is not a Parquet file"],
        [
          () => writeFileSync(file.path, flipped(whole.length - 6)),
          "is damaged: the length of its footer is impossible"
        ],
        // The first page: that of the city.
        [() => writeFileSync(file.path, flipped(8)), "is damaged: its rows cannot be read"]
      ]
      for (const [damage, fault] of damages) {
        rmSync(file.path, { force: true, recursive: true })
        damage()
        assert.strictEqual(
          yield* failureOf("SELECT city, temperature FROM weather"),
          `The table cannot be queried: its data file ${file.path} ${fault}; floe doctor checks all files of the table, and floe rebuild --into weather_again --promote recreates the table from the log.`
        )
      }
      rmSync(file.path, { recursive: true })
      writeFileSync(file.path, whole)
      assert.match(yield* failureOf(`SELECT * FROM read_csv('${file.path}')`), /^(?!The table cannot)/)
      const metadata = join((yield* DataFolder).table, "metadata")
      const [list = ""] = readdirSync(metadata).filter((name) => name.startsWith("snap-"))
      writeFileSync(join(metadata, list), "")
      assert.match(
        yield* failureOf("SELECT 1"),
        /^The table cannot be queried: The table is broken: .*snap-\S+\.avro cannot be read: .*; run floe doctor to see how to repair it\.$/
      )
    }).pipe(Effect.provide(live))
  )
})
