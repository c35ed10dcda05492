/** Event time must not depend on what was parsed before: the day is kept from text to text. */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { millisOf, timeText } from "../../layers/process/core/eventTime.ts"
import { toMillis } from "../../streams/Column.ts"

const known = "2026-11-27T10:11:12.123456Z"

describe("event time", () => {
  it("is that of the text, whatever came before", () => {
    const time = fc.date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
    fc.assert(
      fc.property(fc.array(time), (times) => {
        for (const each of times) {
          const text = each.toISOString().replace("Z", "999Z")
          assert.strictEqual(millisOf(text), each.getTime())
          assert.strictEqual(millisOf(text.slice(0, -1)), each.getTime())
          assert.strictEqual(timeText(each.getTime()), text.replace("999Z", "000Z"))
        }
      })
    )
  })

  it.each([
    "2026-11-27 10:11:12.123456",
    "2026-11-27T10:11:12.5+02:00",
    "2026-11-27T10:11:12.123+02",
    "2026-11-27T10:75:00.000000Z",
    "2026-11-27T24:00:00.000000Z",
    "2026-11-27T10:11:12.1234567",
    "2026-11-27T10:11:12.12345xZ",
    "2026-11-27T1:11:12.1234567Z",
    "2026-02-30T10:11:12.123456Z",
    "2026-02-30",
    "2026-13-01T00:00:00.000000Z"
  ])("is none in %s, also after one of that day", (text) => {
    assert.throws(() => toMillis(text), RangeError)
    millisOf(known)
    assert.throws(() => millisOf(text), RangeError)
  })
})
