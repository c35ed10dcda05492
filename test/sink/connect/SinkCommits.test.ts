import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { eventOf as acceptedOf } from "../../../layers/sink/connect/connectorFilter.ts"
import { type ControlEvent, eventOf } from "../../../layers/sink/connect/controlEvents.ts"
import * as SinkPositions from "../../../layers/sink/connect/sinkPositions.ts"
import { commitOf } from "../../../layers/table/trino/sinkCommit.ts"
import control from "../../recorded/control.json" with { type: "json" }

/** Of a connector with one task, as its control topic had them: a commit, one without anything new, another commit. */
const recorded = control.map(({ offset, key, value }) => ({ offset, key, bytes: Buffer.from(value, "base64") }))
const group = "connect-x-audit-sink"
const first = "1c2376c4-5510-41e3-8a70-166b11c1e06e"
const idle = "af314369-f9c1-4be6-aae2-0736186e46f5"
const second = "e79eefb6-e05d-4d7d-9ee5-3c131a44893c"

const at = (offset: number) => recorded.find((message) => message.offset === offset)?.bytes ?? Buffer.alloc(0)

describe("events of the control topic", () => {
  it("are decoded, each kind of them", () => {
    const events = recorded.map(({ offset, bytes }) => [offset, Option.getOrThrow(eventOf(bytes))] as const)
    assert.deepStrictEqual(
      events.map(([offset, { kind, commitId }]) => [offset, kind, commitId]),
      [
        [0, "StartCommit", first],
        [2, "DataWritten", first],
        [3, "DataComplete", first],
        [5, "CommitToTable", first],
        [7, "CommitComplete", first],
        [9, "StartCommit", idle],
        [11, "DataComplete", idle],
        [13, "CommitComplete", idle],
        [57, "StartCommit", second],
        [59, "DataWritten", second],
        [60, "DataComplete", second],
        [62, "CommitToTable", second],
        [64, "CommitComplete", second]
      ]
    )
    assert.isTrue(events.every(([, event]) => event.group === group))
    const assigned = events.flatMap(([, { assignments }]) => assignments)
    assert.deepStrictEqual(assigned, [
      { topic: "x-audit", partition: 0, offset: 31 },
      { topic: "x-audit", partition: 0, offset: null },
      { topic: "x-audit", partition: 0, offset: 40_083 }
    ])
  })

  it("have a schema of up to 65,535 bytes", () => {
    const bytes = at(3)
    const length = bytes.readUInt16BE(2)
    const schema = bytes.toString("utf8", 4, 4 + length)
    for (const size of [length, 40_000, 65_535]) {
      const padded = Buffer.from(schema.padEnd(size))
      const counted = Buffer.from([0xc2, 0x01, size >> 8, size & 0xff])
      const event = eventOf(Buffer.concat([counted, padded, bytes.subarray(4 + length)]))
      assert.strictEqual(Option.getOrThrow(event).assignments[0]?.offset, 31, `${size}`)
    }
  })

  it("are not what another program wrote, or what is cut", () => {
    const bytes = at(3)
    for (const other of ["", "hello", '{"a":1}', "\xc2\x01", "\xc2\x01\x00\x02{}"]) {
      assert.isTrue(Option.isNone(eventOf(Buffer.from(other, "latin1"))), other)
    }
    for (const end of [1, 3, 4, 500, bytes.length - 1]) {
      assert.isTrue(Option.isNone(eventOf(bytes.subarray(0, end))), `${end}`)
    }
  })
})

interface Told {
  readonly task: string
  readonly kind?: ControlEvent["kind"]
  readonly group?: string
  readonly commitId?: string
  /** By partition. */
  readonly offsets?: ReadonlyArray<number | null | undefined>
  readonly topic?: string
}

const told = ({ kind = "DataComplete", group = "g", commitId = "one", offsets = [], topic = "weather" }: Told) => ({
  kind,
  group,
  commitId,
  assignments: offsets.flatMap((offset, partition) => (offset === undefined ? [] : [{ topic, partition, offset }]))
})

const found = (
  events: ReadonlyArray<Told>,
  { partitions = 2, complete = false, commitId = "one" }: { partitions?: number; complete?: boolean; commitId?: string }
) => {
  const sinks = SinkPositions.make("weather", partitions, complete)
  for (const event of events) sinks.add(event.task, told(event))
  return sinks.positions(commitId)
}

const start = (commitId: string, group = "g"): Told => ({ task: "coordinator", kind: "StartCommit", commitId, group })
const written = (task: string): Told => ({ task, kind: "DataWritten" })
const places = (...offsets: ReadonlyArray<number>) => offsets.map((offset, partition) => ({ partition, offset }))

describe("how far the log is in the table after a commit", () => {
  it("is what the recorded events say, also where an event said nothing new", () => {
    const sinks = SinkPositions.make("x-audit", 1, true)
    const upTo = (end: number, commitId: string) => {
      for (const { offset, key, bytes } of recorded) {
        if (offset < end && offset >= from) sinks.add(key, Option.getOrThrow(eventOf(bytes)))
      }
      from = end
      return sinks.positions(commitId)
    }
    let from = 0
    assert.deepStrictEqual(upTo(4, first), places(31))
    assert.deepStrictEqual(upTo(12, idle), places(31))
    assert.deepStrictEqual(upTo(61, second), places(40_083))
  })

  it("comes from all tasks, whichever commit they answer", () => {
    const events = [
      start("one"),
      written("a"),
      { task: "a", offsets: [10] },
      // This one is too late for the commit that was announced before, and its files are in this one.
      written("b"),
      { task: "b", offsets: [undefined, 7], commitId: "before" }
    ]
    assert.deepStrictEqual(found(events, {}), places(10, 7))
    const next = [...events, start("two"), { task: "a", offsets: [null] }, { task: "b", offsets: [undefined, 9] }]
    assert.deepStrictEqual(found(next, { commitId: "two" }), places(10, 9))
  })

  it("is where a partition was last told of, where a task did not answer in time or another has it now", () => {
    const events = [{ task: "a", offsets: [10, 20] }, start("one"), { task: "b", offsets: [undefined, 25] }]
    assert.deepStrictEqual(found(events, {}), places(10, 25))
  })

  it("is not told of a partition that was not named, unless nothing ever was", () => {
    const events = [start("one"), { task: "a", offsets: [10, null] }]
    assert.strictEqual(found(events, {}), "unknown")
    assert.deepStrictEqual(found(events, { complete: true }), places(10, 0))
    assert.strictEqual(found([{ task: "a", offsets: [10, 5] }], {}), "unknown")
    assert.strictEqual(found([{ task: "a", offsets: [10, 5] }], { complete: true }), "unclear")
  })

  it("is not told where the commit came between a task's files and its answer", () => {
    const events = [start("one"), { task: "a", offsets: [10, 5] }, written("b")]
    assert.strictEqual(found(events, { complete: true }), "unclear")
  })

  it("is not mixed up with other connectors and topics", () => {
    const events = [
      start("one"),
      { task: "a", offsets: [10, 5] },
      { task: "c", group: "other", offsets: [99, 99] },
      { task: "a", topic: "else", offsets: [77, 77] },
      { task: "c", group: "other", kind: "DataWritten" as const }
    ]
    assert.deepStrictEqual(found(events, {}), places(10, 5))
  })
})

it("a snapshot's summary names the sink's commit", () => {
  const property = "kafka.connect.offsets.control-iceberg.connect-iceberg-sink"
  const summary = { "added-records": "20", [property]: '{"0":922}', "kafka.connect.commit-id": first }
  assert.deepStrictEqual(Option.getOrThrow(commitOf(summary)), { id: first, control: "control-iceberg", end: 922 })
  const dotted = { ...summary, "kafka.connect.offsets.control.of.mine.connect-sink.2": '{"1":4,"0":5}' }
  Reflect.deleteProperty(dotted, property)
  assert.deepStrictEqual(Option.getOrThrow(commitOf(dotted)), { id: first, control: "control.of.mine", end: 5 })
  assert.isTrue(Option.isNone(commitOf({ "engine-name": "trino" })))
  assert.isTrue(Option.isNone(commitOf({ ...summary, [property]: "{}" })))
})

/** What Kafka Connect 3.5.2 did with each of these messages, found by sending them. */
describe("the messages that the connector takes", () => {
  const ts = "2026-01-08-14"
  const rest = `"temperature":"1","ts":"${ts}"}`
  const cityOf = (value: Buffer | string) => {
    const bytes = Buffer.from(value)
    return acceptedOf({ partition: 0, offset: 0, key: null, value: bytes })?.record.city
  }

  it.each([
    [`{"city":"",${rest}`, ""],
    [`{"city":"a\\u0001\\u0000\\u001f",${rest}`, "a\u0001\u0000\u001f"],
    [`{"city":"${"x".repeat(300)}",${rest}`, "x".repeat(300)],
    ['{"city":"a","temperature":"warm","ts":"no hour"}', "a"],
    [`{"city":"a","city":"b",${rest}`, "b"],
    [`{"city":"}{\\"",${rest} garbage`, '}{"'],
    [`{"city":"a",${rest}\n{"city":"b",${rest}`, "a"],
    [`\ufeff{"city":"a",${rest}`, "a"],
    [`{"city":"a\\udc00\\ud800b",${rest}`, "a??b"],
    [`{"city":"a\\ud83d\\ude00",${rest}`, "a😀"],
    [`\n\t {"city":"a" , ${rest} \r\n`, "a"]
  ])("%s", (value, city) => {
    assert.strictEqual(cityOf(value), city)
  })

  it.each([
    "",
    "null",
    "42",
    "hello",
    `["a"]`,
    `{"city":"a","more":"x",${rest}`,
    `{"city":"a\tb",${rest}`,
    `{"city":NaN,${rest}`,
    `{"city":1,${rest}`,
    `{"city":null,${rest}`,
    `{${rest}`,
    `{"__proto__":"a","city":"a",${rest}`,
    `{"__proto__":{"city":"a"},${rest}`
  ])("not %s", (value) => {
    assert.isUndefined(cityOf(value))
  })

  it("not bytes that are no UTF-8, and no message without a value", () => {
    assert.isUndefined(cityOf(Buffer.from(`{"city":"\xff",${rest}`, "latin1")))
    assert.isUndefined(acceptedOf({ partition: 0, offset: 0, key: null, value: null }))
  })
})
