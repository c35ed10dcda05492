import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { eventOf } from "../../../layers/sink/connect/controlEvents.ts"
import { first, group, idle, recorded, second } from "./recordedControl.ts"

const at = (offset: number) => recorded.find((message) => message.offset === offset)?.bytes ?? Buffer.alloc(0)

describe("control events", () => {
  it("given a recorded topic, when its events are decoded, then each kind has its commit and its positions", () => {
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

  it("given a schema of up to 65,535 bytes, when the event is decoded, then it has its positions", () => {
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

  it("given foreign or truncated bytes, when they are decoded, then there is no event", () => {
    const bytes = at(3)
    for (const other of ["", "hello", '{"a":1}', "\xc2\x01", "\xc2\x01\x00\x02{}"]) {
      assert.isTrue(Option.isNone(eventOf(Buffer.from(other, "latin1"))), other)
    }
    for (const end of [1, 3, 4, 500, bytes.length - 1]) {
      assert.isTrue(Option.isNone(eventOf(bytes.subarray(0, end))), `${end}`)
    }
  })
})
