import { assert, describe, it } from "@effect/vitest"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { eventOf, recordReader } from "../../../layers/sink/connect/connectorFilter.ts"

/** What Kafka Connect 3.5.2 did with each of these messages when it received them. */
describe("messages that the connector accepts", () => {
  const ts = "2026-01-08-14"
  const rest = `"temperature":"1","ts":"${ts}"}`
  const cityOf = (value: Buffer | string) => {
    const bytes = Buffer.from(value)
    return eventOf({ partition: 0, offset: 0, key: null, value: bytes })?.record.city
  }

  it.each([
    [`{"city":"",${rest}`, ""],
    [`{"city":"a\\u0001\\u0000\\u001f",${rest}`, "a\u0001\u0000\u001f"],
    [`{"city":"${"x".repeat(300)}",${rest}`, "x".repeat(300)],
    ['{"city":"a","temperature":"warm","ts":"no hour"}', "a"],
    [`{"city":"a","city":"b",${rest}`, "b"],
    [`{"city":"}{\\"",${rest} garbage`, '}{"'],
    [`{"city":"a",${rest}\n{"city":"b",${rest}`, "a"],
    [`\ufeff{"city":"a",${rest}`, "a"],
    [`{"city":"a\\udc00\\ud800b",${rest}`, "a??b"],
    [`{"city":"a\\ud83d\\ude00",${rest}`, "a😀"],
    [`\n\t {"city":"a" , ${rest} \r\n`, "a"]
  ])("accepts %s", (value, city) => {
    assert.strictEqual(cityOf(value), city)
  })

  it.each([
    "",
    "null",
    "42",
    "hello",
    `["a"]`,
    `{"city":"a","more":"x",${rest}`,
    `{"city":"a\tb",${rest}`,
    `{"city":NaN,${rest}`,
    `{"city":1,${rest}`,
    `{"city":null,${rest}`,
    `{${rest}`,
    `{"__proto__":"a","city":"a",${rest}`,
    `{"__proto__":{"city":"a"},${rest}`
  ])("rejects %s", (value) => {
    assert.isUndefined(cityOf(value))
  })

  it("rejects bytes that are not UTF-8, and a message without a value", () => {
    assert.isUndefined(cityOf(Buffer.from(`{"city":"\xff",${rest}`, "latin1")))
    assert.isUndefined(eventOf({ partition: 0, offset: 0, key: null, value: null }))
  })
})

it("reads the records of a stream, and leaves out what becomes a dead letter", () => {
  const columns = [
    { name: "n", type: "int", required: true },
    { name: "s", type: "string", required: false }
  ] as const
  const read = recordReader([firstVersion({ name: "x", columns, key: null, partitionBy: [] }, 0)])
  const recordOf = (value: Buffer | string) => read({ value: Buffer.from(value) })
  assert.strictEqual(recordOf('{ "s": "\\u00e9", "n": 1 }'), '{"n":1,"s":"é"}')
  assert.isUndefined(recordOf('{"n":1.0}'))
  assert.isUndefined(recordOf(Buffer.from('{"n":1,"s":"é"}', "latin1")))
  assert.isUndefined(read({ value: null }))
})
