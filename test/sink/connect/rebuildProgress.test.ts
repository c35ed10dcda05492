import { assert, describe, it } from "@effect/vitest"
import { eventsWithin, remaining, startingPositions } from "../../../layers/sink/connect/rebuildProgress.ts"

const position = (partition: number, offset: number) => ({ partition, offset })

describe("positions of a rebuild", () => {
  const ends = [position(0, 10), position(1, 0), position(2, 5)]

  it("given an empty table, when the rest is computed, then it is every partition that has events", () => {
    assert.deepStrictEqual(remaining([], ends), [
      { ...position(0, 0), end: 10 },
      { ...position(2, 0), end: 5 }
    ])
    assert.strictEqual(eventsWithin([], ends), 0)
  })

  it("given a table that is behind in one partition, when the rest is computed, then only that one remains", () => {
    const half = [position(2, 7), position(0, 4), position(3, 100)]
    assert.deepStrictEqual(remaining(half, ends), [{ ...position(0, 4), end: 10 }])
    assert.strictEqual(eventsWithin(half, ends), 9)
  })

  it("given a table at or beyond the ends, when the rest is computed, then nothing remains", () => {
    assert.deepStrictEqual(remaining([position(0, 10), position(1, 0), position(2, 5)], ends), [])
    assert.strictEqual(eventsWithin([position(0, 12), position(2, 5)], ends), 15)
  })

  it("given a log that has lost its beginning, when it starts, then no partition starts before the log", () => {
    const partitions = [
      { partition: 0, start: 3 },
      { partition: 1, start: 0 },
      { partition: 2, start: 4 }
    ]
    assert.deepStrictEqual(startingPositions([position(0, 1), position(2, 9)], partitions), [
      position(0, 3),
      position(1, 0),
      position(2, 9)
    ])
  })
})
