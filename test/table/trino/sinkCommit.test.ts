import { assert, it } from "@effect/vitest"
import { Option } from "effect"
import { commitOf } from "../../../layers/table/trino/sinkCommit.ts"

const first = "1c2376c4-5510-41e3-8a70-166b11c1e06e"

it("given a snapshot's summary, when the sink committed it, then it names the commit; otherwise it names none", () => {
  const property = "kafka.connect.offsets.control-iceberg.connect-iceberg-sink"
  const summary = { "added-records": "20", [property]: '{"0":922}', "kafka.connect.commit-id": first }
  assert.deepStrictEqual(Option.getOrThrow(commitOf(summary)), { id: first, controlTopic: "control-iceberg", end: 922 })
  const dotted = { ...summary, "kafka.connect.offsets.control.of.mine.connect-sink.2": '{"1":4,"0":5}' }
  Reflect.deleteProperty(dotted, property)
  assert.deepStrictEqual(Option.getOrThrow(commitOf(dotted)), { id: first, controlTopic: "control.of.mine", end: 5 })
  assert.isTrue(Option.isNone(commitOf({ "engine-name": "trino" })))
  assert.isTrue(Option.isNone(commitOf({ ...summary, [property]: "{}" })))
})
