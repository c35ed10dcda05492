import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import * as SingleValue from "../../../layers/table/schema/singleValue.ts"

const hex = (buffer: Buffer | undefined) => buffer?.toString("hex")
const bound = (type: string, text: string) =>
  hex(SingleValue.boundsOf(type, SingleValue.parse(type, text), undefined).lower)

/** As pyiceberg 0.10 writes them (`pyiceberg.conversions.to_bytes`). */
const examples: ReadonlyArray<readonly [type: string, text: string, serialized: string]> = [
  ["boolean", "true", "01"],
  ["boolean", "0", "00"],
  ["int", "-2", "feffffff"],
  ["long", "9007199254740993", "0100000000002000"],
  ["float", "1.5", "0000c03f"],
  ["double", "-0.0", "0000000000000080"],
  ["date", "1969-12-31", "ffffffff"],
  ["date", "9999-12-31", "a0c02c00"],
  ["time", "23:59:59.999999", "ff5fd71d14000000"],
  ["timestamp", "1969-12-31 23:59:59.999999", "ffffffffffffffff"],
  ["timestamptz", "9999-12-31 23:59:59.999999+00", "ff5f73cc0c448403"],
  ["string", "😀\u0000", "f09f988000"],
  ["binary", "00FF", "00ff"],
  ["decimal(12,2)", "14.20", "058c"],
  ["decimal(12,2)", "-0.01", "ff"],
  ["decimal(38,0)", "99999999999999999999999999999999999999", "4b3b4ca85a86c47a098a223fffffffff"]
]

describe("single values", () => {
  for (const [type, text, serialized] of examples) {
    it(`${type} ${JSON.stringify(text)} is serialized as the specification says`, () => {
      assert.strictEqual(bound(type, text), serialized)
    })
  }

  it("a bound of zero encloses both zeros, and NaN is no bound", () => {
    const zero = SingleValue.boundsOf("double", 0, -0)
    assert.deepStrictEqual([hex(zero.lower), hex(zero.upper)], ["0000000000000080", "0000000000000000"])
    assert.isUndefined(SingleValue.parse("double", "nan"))
  })

  it("bounds of uuids enclose them in the unsigned and in the signed order", () => {
    const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes))
    const signed = (bytes: Buffer) => [bytes.readBigInt64BE(0), bytes.readBigInt64BE(8)] as const
    const isBelow = (a: Buffer, b: Buffer) => {
      const [[high, low], [otherHigh, otherLow]] = [signed(a), signed(b)]
      return high < otherHigh || (high === otherHigh && low <= otherLow)
    }
    fc.assert(
      fc.property(fc.array(uuid, { minLength: 3, maxLength: 3 }), (uuids) => {
        const [least, between, greatest] = uuids.toSorted((a, b) => a.compare(b))
        if (least === undefined || between === undefined || greatest === undefined) return
        const { lower, upper } = SingleValue.boundsOf("uuid", least, greatest)
        for (const one of [least, between, greatest]) {
          if (lower !== undefined) assert.isTrue(lower.compare(one) <= 0 && isBelow(lower, one))
          if (upper !== undefined) assert.isTrue(upper.compare(one) >= 0 && isBelow(one, upper))
        }
      })
    )
    const near = [
      Buffer.from("018f14e45fceea467f9f0a5e8f3d6a1b", "hex"),
      Buffer.from("018f14e45fceea477f9f0a5e8f3d6a1b", "hex")
    ]
    assert.strictEqual(hex(SingleValue.boundsOf("uuid", near[0], near[1]).lower), "018f14e45fceea450000000000000000")
  })

  it("decimals are read as they were serialized", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }), (unscaled) => {
        const { lower } = SingleValue.boundsOf("decimal(38,0)", unscaled, unscaled)
        assert.strictEqual(SingleValue.deserialize("decimal(38,0)", lower ?? Buffer.alloc(0)), unscaled)
      })
    )
  })
})
