import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import fc from "fast-check"
import { parse } from "../../../layers/cli/terminal/asOfFlag.ts"
import { floe } from "../../support/program.ts"

const millisOf = (text: string) =>
  Option.match(parse(text), { onNone: () => undefined, onSome: (of) => (of._tag === "Time" ? of.millis : of.id) })

describe("--as-of", () => {
  it("accepts a snapshot id, and a time in UTC or with a zone", () => {
    assert.strictEqual(millisOf("4695896948513303399"), "4695896948513303399")
    assert.strictEqual(millisOf("2026-01-08"), Date.UTC(2026, 0, 8))
    assert.strictEqual(millisOf("2024-02-29 23:59"), Date.UTC(2024, 1, 29, 23, 59))
    assert.strictEqual(millisOf("2026-01-08T14:30:15.25Z"), Date.UTC(2026, 0, 8, 14, 30, 15, 250))
    assert.strictEqual(millisOf("2026-01-01T00:30+05:30"), Date.UTC(2025, 11, 31, 19))
  })

  it("accepts every day that exists, and no other", () => {
    // Days of each month by the Gregorian rule.
    const days = (year: number, month: number) => {
      const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
      return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0
    }
    const part = (max: number) => fc.integer({ min: 0, max })
    const two = (n: number) => String(n).padStart(2, "0")
    fc.assert(
      fc.property(part(9999), part(13), part(32), part(24), part(60), (year, month, day, hour, minute) => {
        const text = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}`
        const exists = day >= 1 && day <= days(year, month) && hour < 24 && minute < 60
        assert.strictEqual(millisOf(text) !== undefined, exists, text)
      }),
      {
        numRuns: 2_000,
        examples: [
          [1900, 2, 29, 0, 0],
          [2000, 2, 29, 0, 0],
          [2026, 2, 30, 0, 0],
          [2026, 1, 8, 24, 0]
        ]
      }
    )
  })

  it.live("and every other flag with a time reject a day or a time of day that does not exist", () =>
    Effect.gen(function* () {
      const rejected = yield* Effect.forEach(
        [
          ["query", "--as-of", "2026-02-30", "SELECT 1"],
          ["table", "files", "--as-of", "2026-01-08T25:61"],
          ["tail", "--from", "2026-04-31T10:00"],
          ["audit", "--from", "2026-02-30-10"],
          ["audit", "--to", "2025-02-29-10"]
        ],
        (args) => floe(args),
        { concurrency: 2 }
      )
      const expected = [
        /got 2026-02-30, a day that does not exist/,
        /got 2026-01-08T25:61, a time of day that does not exist/,
        /got 2026-04-31T10:00, a day that does not exist/,
        /got 2026-02-30-10, a day that does not exist/,
        /got 2025-02-29-10, a day that does not exist/
      ]
      for (const [i, { code, err }] of rejected.entries()) {
        assert.strictEqual(code, 2)
        assert.match(err, expected[i] ?? /$^/)
      }
    })
  )
})
