import { assert, it } from "@effect/vitest"
import { config } from "../../../layers/sink/connect/icebergSink.ts"
import { configOf, namesOf } from "../../../layers/sink/connect/rebuildConnector.ts"
import { eventsWithin, remaining } from "../../../layers/sink/connect/rebuildProgress.ts"
import { replaceStatement } from "../../../layers/table/trino/rebuildTable.ts"

const position = (partition: number, offset: number) => ({ partition, offset })

it("the statement that replaces the table makes it as it should be, and keeps what else it has", () => {
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

it("a replay's connector is the sink's, but for its table, its control topic and its dead letters", () => {
  const sink = {
    ...config({ topic: "weather", commitInterval: "10 seconds", replication: 1 }),
    name: "iceberg-sink",
    "tasks.max": "4",
    "consumer.override.sasl.mechanism": "PLAIN"
  }
  const replay = configOf(sink, namesOf("again"))
  assert.deepStrictEqual(
    Object.fromEntries(Object.entries(replay).filter(([key, value]) => !(key in sink) || Object(sink)[key] !== value)),
    {
      name: "replay-again",
      "tasks.max": "1",
      "iceberg.tables": "default.again",
      "iceberg.control.topic": "control-replay-again",
      "iceberg.control.commit.interval-ms": "5000",
      "errors.deadletterqueue.topic.name": "",
      "errors.log.enable": "false"
    }
  )
  assert.deepStrictEqual(Object.keys(replay).sort(), Object.keys(sink).sort())
})

it("no table's replay has a name of the sink's, or of another replay", () => {
  const taken = new Set(["iceberg-sink", "connect-iceberg-sink", "connect-iceberg-sink-coord", "control-iceberg"])
  for (const table of ["iceberg", "sink", "coord", "x", "x_coord", "weather"]) {
    const { connector, group, coordinator, control } = namesOf(table)
    for (const name of new Set([connector, group, coordinator, control])) {
      assert.isFalse(taken.has(name), name)
      taken.add(name)
    }
  }
})

it("how far a replay is, by partitions", () => {
  const ends = [position(0, 10), position(1, 0), position(2, 5)]
  assert.deepStrictEqual(remaining([], ends), [
    { ...position(0, 0), end: 10 },
    { ...position(2, 0), end: 5 }
  ])
  assert.strictEqual(eventsWithin([], ends), 0)
  const half = [position(2, 7), position(0, 4), position(3, 100)]
  assert.deepStrictEqual(remaining(half, ends), [{ ...position(0, 4), end: 10 }])
  assert.strictEqual(eventsWithin(half, ends), 9)
  assert.deepStrictEqual(remaining([position(0, 10), position(1, 0), position(2, 5)], ends), [])
  assert.strictEqual(eventsWithin([position(0, 12), position(2, 5)], ends), 15)
})
