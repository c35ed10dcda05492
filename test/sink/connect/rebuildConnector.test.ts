import { assert, it } from "@effect/vitest"
import { config } from "../../../layers/sink/connect/icebergSink.ts"
import { configOf, namesOf } from "../../../layers/sink/connect/rebuildConnector.ts"

it("a rebuild's connector has the sink's settings, except for its table, its control topic and its dead letters", () => {
  const sink = {
    ...config({ topic: "weather", commitInterval: "10 seconds", replication: 1 }),
    name: "iceberg-sink",
    "tasks.max": "4",
    "consumer.override.sasl.mechanism": "PLAIN"
  }
  const rebuild = configOf(sink, "weather", namesOf("again"))
  assert.deepStrictEqual(
    Object.fromEntries(Object.entries(rebuild).filter(([key, value]) => !(key in sink) || Object(sink)[key] !== value)),
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
  assert.deepStrictEqual(Object.keys(rebuild).sort(), Object.keys(sink).sort())
})

it("no name of a rebuild is a name of the sink or of another rebuild", () => {
  const taken = new Set(["iceberg-sink", "connect-iceberg-sink", "connect-iceberg-sink-coord", "control-iceberg"])
  for (const table of ["iceberg", "sink", "coord", "x", "x_coord", "weather"]) {
    const { connector, group, coordinator, controlTopic } = namesOf(table)
    for (const name of new Set([connector, group, coordinator, controlTopic])) {
      assert.isFalse(taken.has(name), name)
      taken.add(name)
    }
  }
})
