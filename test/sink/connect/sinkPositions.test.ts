import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { type ControlEvent, eventOf } from "../../../layers/sink/connect/controlEvents.ts"
import * as SinkPositions from "../../../layers/sink/connect/sinkPositions.ts"
import { first, idle, recorded, second } from "./recordedControl.ts"

interface TaskEvent {
  readonly task: string
  readonly kind?: ControlEvent["kind"]
  readonly group?: string
  readonly commitId?: string
  /** By partition. */
  readonly offsets?: ReadonlyArray<number | null | undefined>
  readonly topic?: string
}

const toControlEvent = ({
  kind = "DataComplete",
  group = "g",
  commitId = "one",
  offsets = [],
  topic = "weather"
}: TaskEvent) => ({
  kind,
  group,
  commitId,
  assignments: offsets.flatMap((offset, partition) => (offset === undefined ? [] : [{ topic, partition, offset }]))
})

const positionsAfter = (
  events: ReadonlyArray<TaskEvent>,
  { partitions = 2, complete = false, commitId = "one" }: { partitions?: number; complete?: boolean; commitId?: string }
) => {
  const sinks = SinkPositions.make("weather", partitions, complete)
  for (const event of events) sinks.add(event.task, toControlEvent(event))
  return sinks.positions(commitId)
}

const start = (commitId: string, group = "g"): TaskEvent => ({
  task: "coordinator",
  kind: "StartCommit",
  commitId,
  group
})
const written = (task: string): TaskEvent => ({ task, kind: "DataWritten" })
const positions = (...offsets: ReadonlyArray<number>) => offsets.map((offset, partition) => ({ partition, offset }))

describe("log positions of a commit", () => {
  it("given a recorded topic, when a commit ends, then its positions are the last recorded ones, even without new events", () => {
    const sinks = SinkPositions.make("x-audit", 1, true)
    const upTo = (end: number, commitId: string) => {
      for (const { offset, key, bytes } of recorded) {
        if (offset < end && offset >= from) sinks.add(key, Option.getOrThrow(eventOf(bytes)))
      }
      from = end
      return sinks.positions(commitId)
    }
    let from = 0
    assert.deepStrictEqual(upTo(4, first), positions(31))
    assert.deepStrictEqual(upTo(12, idle), positions(31))
    assert.deepStrictEqual(upTo(61, second), positions(40_083))
  })

  it("given a task that answers an earlier commit late, when the next commit ends, then it includes that task's files", () => {
    const events = [
      start("one"),
      written("a"),
      { task: "a", offsets: [10] },
      // Too late for the commit announced before, so its files are in this one.
      written("b"),
      { task: "b", offsets: [undefined, 7], commitId: "before" }
    ]
    assert.deepStrictEqual(positionsAfter(events, {}), positions(10, 7))
    const next = [...events, start("two"), { task: "a", offsets: [null] }, { task: "b", offsets: [undefined, 9] }]
    assert.deepStrictEqual(positionsAfter(next, { commitId: "two" }), positions(10, 9))
  })

  it("given a task that does not answer in time, when the commit ends, then its partitions keep their last positions", () => {
    const events = [{ task: "a", offsets: [10, 20] }, start("one"), { task: "b", offsets: [undefined, 25] }]
    assert.deepStrictEqual(positionsAfter(events, {}), positions(10, 25))
  })

  it("given a partition without an offset, when the commit ends, then the positions are unknown, or 0 if the topic is complete", () => {
    const events = [start("one"), { task: "a", offsets: [10, null] }]
    assert.strictEqual(positionsAfter(events, {}), "unknown")
    assert.deepStrictEqual(positionsAfter(events, { complete: true }), positions(10, 0))
    assert.strictEqual(positionsAfter([{ task: "a", offsets: [10, 5] }], {}), "unknown")
    assert.strictEqual(positionsAfter([{ task: "a", offsets: [10, 5] }], { complete: true }), "unclear")
  })

  it("given a task's files without its answer, when the commit ends, then the positions are unclear", () => {
    const events = [start("one"), { task: "a", offsets: [10, 5] }, written("b")]
    assert.strictEqual(positionsAfter(events, { complete: true }), "unclear")
  })

  it("given events of other connectors and topics, when the commit ends, then they do not count", () => {
    const events = [
      start("one"),
      { task: "a", offsets: [10, 5] },
      { task: "c", group: "other", offsets: [99, 99] },
      { task: "a", topic: "else", offsets: [77, 77] },
      { task: "c", group: "other", kind: "DataWritten" as const }
    ]
    assert.deepStrictEqual(positionsAfter(events, {}), positions(10, 5))
  })
})
