import { assert, describe, it } from "@effect/vitest"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { eventOf, recognizing } from "../../../layers/sink/connect/connectorFilter.ts"

const named = (name: string, type: "int" | "long" | "string" | "timestamptz" | "accepted") => ({
  name,
  type,
  required: false
})

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

it("recognizes what the connector accepts of a stream, also in the forms of several versions at once", () => {
  const first = firstVersion(
    { name: "x", columns: [named("n", "int"), named("s", "string")], key: null, partitionBy: [] },
    0
  )
  const columns = [named("n", "long"), { ...named("t", "string"), renamedFrom: "s" }, named("at", "timestamptz")]
  const history = [first, nextVersion([first], { ...first.definition, columns }, 0)]
  const recognize = recognizing(history)
  const of = (record: string, schemaVersion: number) => ({ record, schemaVersion })
  assert.deepStrictEqual(recognize('{ "s": "\\u00e9", "n": 1 }', undefined), of('{"n":1,"s":"é"}', 1))
  assert.deepStrictEqual(recognize('{"n":"1","t":"a"}', 2), of('{"n":"1","t":"a"}', 2))
  assert.deepStrictEqual(recognize('{"n":"1","s":"a"}', undefined), of('{"n":"1","s":"a"}', 2))
  assert.isUndefined(recognize('{"n":1.0}', undefined))
})

it("leaves out an event without the column that the server sets, as the connector does", () => {
  const columns = [named("n", "int"), { ...named("received", "accepted"), required: true }]
  const recognize = recognizing([firstVersion({ name: "x", columns, key: null, partitionBy: [] }, 0)])
  assert.isUndefined(recognize('{"n":1}', undefined))
  assert.strictEqual(recognize('{"n":1,"received":"2026-11-27T10:11:12.500000Z"}', 1)?.schemaVersion, 1)
})
