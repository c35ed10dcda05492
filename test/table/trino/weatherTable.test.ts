import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as QueryLayer from "../../../layers/table/trino/Query.ts"
import { create, differences } from "../../../layers/table/trino/weatherTable.ts"
import { serving } from "../../support/httpService.ts"

/** Trino 476's output for the table that `floe table create` created. */
const shown = `CREATE TABLE iceberg.default.weather (
   city varchar,
   temperature varchar,
   ts varchar
)
WITH (
   format = 'PARQUET',
   format_version = 2,
   location = 's3a://warehouse/default/weather',
   max_commit_retry = 4,
   partitioning = ARRAY['ts']
)`

it("given a table with Floe's layout, when it is compared, then other properties do not count", () => {
  assert.deepStrictEqual(differences(shown, "warehouse"), [])
  assert.deepStrictEqual(
    differences(shown.replace("   format = ", "   compression_codec = 'ZSTD',\n   format = "), "warehouse"),
    []
  )
})

it("given another layout, when it is compared, then each difference is named", () => {
  assert.deepStrictEqual(differences(shown, "other"), [
    "its location is 's3a://warehouse/default/weather' instead of 's3a://other/default/weather'"
  ])
  const other = shown
    .replace("temperature varchar", "temperature double")
    .replace("ts varchar", 'ts varchar NOT NULL,\n   "a b" integer')
    .replace("'PARQUET'", "'ORC'")
    .replace("format_version = 2", "format_version = 1")
    .replace(",\n   partitioning = ARRAY['ts']", "")
  assert.deepStrictEqual(differences(other, "warehouse"), [
    'its columns are (city varchar, temperature double, ts varchar NOT NULL, "a b" integer) instead of (city varchar, temperature varchar, ts varchar)',
    "its format is 'ORC' instead of 'PARQUET'",
    "its format_version is 1 instead of 2",
    "its partitioning is not set instead of ARRAY['ts']"
  ])
})

/** What Trino 476 answers. */
const notEmpty =
  "Cannot create a table on a non-empty location: s3a://warehouse/default/weather, set 'iceberg.unique-table-location=true' in your Iceberg catalog properties to use unique table locations for every table."

it.live("given files where the table belongs, when it is created, then they are named and what to do with them", () =>
  Effect.gen(function* () {
    const { base } = yield* serving(({ body }) => ({
      status: 200,
      body: JSON.stringify(
        body.startsWith("CREATE TABLE")
          ? { id: "1", error: { message: notEmpty, errorName: "ICEBERG_FILESYSTEM_ERROR", errorType: "EXTERNAL" } }
          : { id: "1", columns: [] }
      )
    }))
    const error = yield* Effect.flip(create("warehouse")).pipe(Effect.provide(QueryLayer.at(new URL(base), "floe")))
    assert.strictEqual(
      error.message,
      "There are files at s3a://warehouse/default/weather, but the catalog has no table iceberg.default.weather: restore the metastore's database, or move these files away."
    )
  }).pipe(Effect.scoped)
)
