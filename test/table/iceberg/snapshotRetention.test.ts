/** Which snapshots are kept. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { retained } from "../../../layers/table/iceberg/snapshotRetention.ts"

const minute = 60_000
const hour = 60 * minute
const week = 7 * 24 * hour
const retention = { snapshots: 5, timeTravel: week }

const at = (times: ReadonlyArray<number>) => times.map((time, id) => ({ id, "timestamp-ms": time }))
const times = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 2 * hour }), fc.integer({ min: 0, max: week + 30 * hour })), {
    maxLength: 300
  })
  .map((some) => some.map((time) => time + 1_000 * hour).sort((a, b) => a - b))

describe("retained", () => {
  it("given any snapshots, it keeps the newest, the last of each minute of an hour and the last of each hour of a week", () => {
    fc.assert(
      fc.property(times, fc.nat({ max: week }), (some, later) => {
        const all = at(some)
        const now = (some.at(-1) ?? 0) + later
        const kept = retained(all, now, retention)
        for (const [i, one] of all.entries()) {
          const age = now - one["timestamp-ms"]
          const next = all[i + 1]?.["timestamp-ms"] ?? Number.POSITIVE_INFINITY
          const isLastOf = (unit: number) => Math.floor(next / unit) !== Math.floor(one["timestamp-ms"] / unit)
          const expected = i >= all.length - 5 || (age <= hour && isLastOf(minute)) || (age <= week && isLastOf(hour))
          assert.strictEqual(kept.has(one), expected, `${i} of ${all.length}, ${age / minute} minutes old`)
        }
        assert.isAtMost(kept.size, 5 + 61 + 169)
      })
    )
  })

  it("given any snapshots, when old ones expire after each commit, then those are left that a single expiry would leave", () => {
    fc.assert(
      fc.property(times, fc.nat({ max: 2 * hour }), (some, later) => {
        const end = (some.at(-1) ?? 0) + later
        let now: ReadonlyArray<{ readonly id: number; readonly "timestamp-ms": number }> = []
        for (const one of at(some)) {
          now = [...now, one]
          const kept = retained(now, one["timestamp-ms"], retention)
          now = now.filter((other) => kept.has(other))
        }
        const often = [...retained(now, end, retention)].map(({ id }) => id).sort((a, b) => a - b)
        const once = [...retained(at(some), end, retention)].map(({ id }) => id).sort((a, b) => a - b)
        assert.deepStrictEqual(often, once)
      })
    )
  })

  const cases = [
    {
      given: "fewer snapshots than are always kept",
      when: "they are a year old",
      outcome: "all are kept",
      times: [0, 1, 2],
      now: 365 * 24 * hour,
      retention,
      kept: [0, 1, 2]
    },
    {
      given: "two commits in each of two minutes",
      when: "they are half an hour old",
      outcome: "the last of each minute is kept",
      times: [0, 30_000, minute, minute + 30_000],
      now: 30 * minute,
      retention: { snapshots: 1, timeTravel: week },
      kept: [1, 3]
    },
    {
      given: "a commit a minute for two hours",
      when: "they are a day old",
      outcome: "the last of each hour is kept",
      times: Array.from({ length: 120 }, (_, i) => i * minute),
      now: 24 * hour,
      retention: { snapshots: 1, timeTravel: week },
      kept: [59, 119]
    },
    {
      given: "snapshots around the end of time travel",
      when: "one is exactly as old as it reaches and one is older",
      outcome: "the older one is dropped",
      times: [0, hour, 3 * hour],
      now: 3 * hour,
      retention: { snapshots: 1, timeTravel: 2 * hour },
      kept: [1, 2]
    },
    ...[0, -1].map((timeTravel) => ({
      given: "seven commits in a row",
      when: `time travel is ${timeTravel}`,
      outcome: "only the newest are kept",
      times: [0, 1, 2, 3, 4, 5, 6],
      now: 6,
      retention: { snapshots: 2, timeTravel },
      kept: [5, 6]
    }))
  ]
  for (const { given, when, outcome, times, now, retention, kept } of cases) {
    it(`given ${given}, when ${when}, then ${outcome}`, () => {
      const ids = [...retained(at(times), now, retention)].map(({ id }) => id)
      assert.deepStrictEqual(
        ids.sort((a, b) => a - b),
        kept
      )
    })
  }
})
