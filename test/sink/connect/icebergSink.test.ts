import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { unchangedNames } from "../../../layers/log/kafka/topicNames.ts"
import { config, configOf, settings } from "../../../layers/sink/connect/icebergSink.ts"
import { sinkConnector } from "../../../services/Connector.ts"
import { weatherStream } from "../../../services/Weather.ts"

const sink = config({ topic: "weather", commitInterval: "10 seconds", replication: 1 })

it("messages that are not records go to the dead-letter topic, with their context", () => {
  assert.strictEqual(sink["errors.tolerance"], "all")
  assert.strictEqual(sink["errors.deadletterqueue.topic.name"], "weather-dlq")
  assert.strictEqual(sink["errors.deadletterqueue.context.headers.enable"], "true")
  assert.strictEqual(sink["transforms.weather.type"], "floe.connect.RequireWeather")
  assert.strictEqual(sink["errors.log.include.messages"], "false")
  // As much as the topics of streams take.
  assert.strictEqual(sink["producer.override.max.request.size"], "3145728")
})

it("no message creates or alters a table", () => {
  assert.strictEqual(sink["iceberg.tables"], "default.weather")
  assert.strictEqual(sink["iceberg.tables.auto-create-enabled"], "false")
  assert.strictEqual(sink["iceberg.tables.evolve-schema-enabled"], "false")
})

it("nothing is skipped without a known offset, and one task writes", () => {
  assert.strictEqual(sink["consumer.override.auto.offset.reset"], "earliest")
  assert.isUndefined(sink["iceberg.kafka.auto.offset.reset"])
  assert.strictEqual(sink["consumer.override.isolation.level"], "read_committed")
  assert.strictEqual(sink["tasks.max"], "1")
  assert.strictEqual(sink["iceberg.control.topic"], "control-iceberg")
})

it("addresses and secrets come from the worker's environment", () => {
  for (const [key, value] of Object.entries(sink)) {
    if (/endpoint|region|key-id|secret|password|uri|warehouse/.test(key))
      assert.match(value, /^\$\{env:FLOE_[A-Z0-9_]+\}$/, key)
    assert.notMatch(value, /minio|admin|password|thrift:|http:/, key)
  }
})

it.effect("follows the settings", () =>
  Effect.gen(function* () {
    assert.strictEqual(sinkConnector, "iceberg-sink")
    assert.strictEqual(sink["iceberg.control.commit.interval-ms"], "10000")
    const other = config({ topic: "x", commitInterval: "250 millis", replication: 3 })
    assert.strictEqual(other.topics, "x")
    assert.strictEqual(other["errors.deadletterqueue.topic.name"], "x-dlq")
    assert.strictEqual(other["errors.deadletterqueue.topic.replication.factor"], "3")
    assert.strictEqual(other["iceberg.control.commit.interval-ms"], "250")
    assert.strictEqual((yield* settings).topic, "weather")
  })
)

it("a stream has its own names, and the transform gets the columns of all its versions", () => {
  const column = { name: "n", type: "int", required: true } as const
  const first = firstVersion({ name: "readings", columns: [column], key: null, partitionBy: [] }, 0)
  const second = nextVersion([first], { ...first.definition, columns: [{ ...column, type: "long" }] }, 0)
  const settings = { topic: "weather", commitInterval: "10 seconds", replication: 1 } as const
  const stream = configOf(settings, unchangedNames, [first, second])
  const differing = Object.entries(stream).filter(([key, value]) => sink[key] !== value)
  assert.deepStrictEqual(Object.fromEntries(differing), {
    topics: "readings",
    "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    "header.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    transforms: "record",
    "transforms.record.type": "floe.connect.RequireRecord",
    "transforms.record.columns": '[{"name":"n","type":"long","earlierTypes":["int"],"required":true}]',
    "errors.deadletterqueue.topic.name": "readings-dlq",
    "iceberg.tables": "default.readings",
    "iceberg.tables.schema-case-insensitive": "true",
    "iceberg.control.topic": "control-iceberg-readings"
  })
  const missing = Object.keys(sink).filter((key) => !(key in stream))
  assert.deepStrictEqual(missing, ["value.converter.schemas.enable", "transforms.weather.type"])
  assert.deepStrictEqual(configOf(settings, unchangedNames, [weatherStream]), sink)
  // With a default format, the sink writes a uuid as bytes, and its Parquet writer fails on them.
  assert.isUndefined(stream["iceberg.tables.write-props.write.format.default"])
})
