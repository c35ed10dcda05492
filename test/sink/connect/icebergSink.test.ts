import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { config, settings } from "../../../layers/sink/connect/icebergSink.ts"
import { sinkConnector } from "../../../services/Connector.ts"

const sink = config({ topic: "weather", commitInterval: "10 seconds", replication: 1 })

it("messages that are not records go to the dead-letter topic, with their context", () => {
  assert.strictEqual(sink["errors.tolerance"], "all")
  assert.strictEqual(sink["errors.deadletterqueue.topic.name"], "weather-dlq")
  assert.strictEqual(sink["errors.deadletterqueue.context.headers.enable"], "true")
  assert.strictEqual(sink["transforms.weather.type"], "floe.connect.RequireWeather")
  assert.strictEqual(sink["errors.log.include.messages"], "false")
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
