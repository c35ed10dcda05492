import { assert, it } from "@effect/vitest"
import { replaceStatement } from "../../../layers/table/trino/rebuildTable.ts"

it("given a table with a comment and a sort order, when it is replaced, then it has Floe's layout and keeps these", () => {
  const shown = `CREATE TABLE iceberg.default.weather (
   city varchar,
   temperature varchar,
   ts varchar,
   note varchar
)
COMMENT 'it''s here'
WITH (
   format = 'PARQUET',
   location = 's3a://warehouse/default/elsewhere',
   partitioning = ARRAY['city'],
   sorted_by = ARRAY['city ASC NULLS FIRST']
)`
  assert.strictEqual(
    replaceStatement(shown, "again", "warehouse", "an id"),
    `CREATE OR REPLACE TABLE iceberg.default.weather (city, temperature, ts)
COMMENT 'it''s here'
WITH (
   format = 'PARQUET',
   location = 's3a://warehouse/default/weather',
   partitioning = ARRAY['ts'],
   sorted_by = ARRAY['city ASC NULLS FIRST'],
   format_version = 2,
   extra_properties = MAP(ARRAY['floe.log.id'], ARRAY['an id'])
)
AS SELECT city, temperature, ts FROM iceberg.default."again"`
  )
  assert.strictEqual(
    replaceStatement("", "again", "warehouse", "an id"),
    `CREATE OR REPLACE TABLE iceberg.default.weather (city, temperature, ts)
WITH (
   format = 'PARQUET',
   format_version = 2,
   partitioning = ARRAY['ts'],
   location = 's3a://warehouse/default/weather',
   extra_properties = MAP(ARRAY['floe.log.id'], ARRAY['an id'])
)
AS SELECT city, temperature, ts FROM iceberg.default."again"`
  )
})
