import { assert, it } from "@effect/vitest"
import fc from "fast-check"
import { lowerBound, upperBound } from "../../../layers/table/iceberg/toContentFile.ts"

it("bounds enclose any text in UTF-8 order", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      const [lower, upper] = [lowerBound(text), upperBound(text)]
      assert.isAtMost(Buffer.compare(Buffer.from(lower), Buffer.from(text)), 0)
      assert.isTrue(upper === undefined || upper.isWellFormed())
      if (upper !== undefined) assert.isAtLeast(Buffer.compare(Buffer.from(upper), Buffer.from(text)), 0)
    })
  )
  assert.strictEqual(upperBound(`${"a".repeat(15)}\ud7ff and more`), `${"a".repeat(15)}\ue000`)
  assert.strictEqual(upperBound(`b${"\u{10ffff}".repeat(20)}`), "c")
  assert.isUndefined(upperBound("\u{10ffff}".repeat(20)))
})
