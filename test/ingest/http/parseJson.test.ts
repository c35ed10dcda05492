import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { parseJson, parseRecord } from "../../../layers/ingest/http/parseJson.ts"

const digits = (minLength: number) => fc.string({ unit: fc.constantFrom(..."0123456789"), minLength, maxLength: 20 })
const option = <A>(of: fc.Arbitrary<A>) => fc.option(of, { nil: "" })

/** A number by the grammar of RFC 8259. */
const number = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(
      fc.constant("0"),
      fc.tuple(fc.constantFrom(..."123456789"), digits(0)).map((parts) => parts.join(""))
    ),
    option(digits(1).map((fraction) => `.${fraction}`)),
    option(fc.tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "+", "-"), digits(1)).map((parts) => parts.join("")))
  )
  .map((parts) => parts.join(""))

it("a temperature that is a number keeps all its characters, alone and among others", () => {
  fc.assert(
    fc.property(number, fc.string(), (number, city) => {
      const text = `{ "temperature" : ${number} , "city" : ${JSON.stringify(city)} }`
      const expected = { temperature: number, city }
      assert.deepStrictEqual(parseRecord(text), Result.succeed(expected))
      const other = { city: "7", temperature: "7.0" }
      assert.deepStrictEqual(parseJson(`[${JSON.stringify(other)}, ${text}]`), Result.succeed([other, expected]))
    })
  )
})

it("a name that is given twice is detected, however it is written and wherever it is", () => {
  const twice = Result.fail("names a field twice")
  for (const text of [
    '{"city":"a","city":"b","temperature":1}',
    String.raw`{"city":"a","\u0063ity":"a","temperature":"1"}`,
    '{"city":{"a":1,"a":2},"temperature":"1"}'
  ]) {
    assert.deepStrictEqual(parseRecord(text), twice)
  }
  assert.deepStrictEqual(
    parseRecord('{"city":":\\"{,:","temperature":"::"}'),
    Result.succeed({ city: ':"{,:', temperature: "::" })
  )
  assert.isTrue(Result.isFailure(parseRecord(`${"[".repeat(50_000)}${"]".repeat(50_000)}`)))
})
