import { assert, it } from "@effect/vitest"
import { day } from "../../../layers/ingest/http/columnSchema.ts"

it("the pattern of a day matches the days of the calendar from 0001 to 9999", () => {
  const pattern = new RegExp(`^${day}$`)
  for (let year = 0; year <= 9999; year++) {
    const text = String(year).padStart(4, "0")
    const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
    assert.strictEqual(pattern.test(`${text}-02-29`), isLeap && year > 0, text)
    assert.strictEqual(pattern.test(`${text}-12-31`), year > 0, text)
  }
  for (const none of ["2024-02-30", "2026-04-31", "2026-00-01", "2026-13-01", "2026-01-00", "2026-1-1"]) {
    assert.isFalse(pattern.test(none), none)
  }
})
