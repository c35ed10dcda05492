import { assert, describe, it } from "@effect/vitest"
import { recognizing } from "../../../layers/ingest/checker/LoggedEvents.ts"
import type { AppliedStream, Column } from "../../../services/StreamDefinition.ts"
import { parityStream, parityValues } from "../../support/parity.ts"

/** Sent values that are canonical but for their spelling as JSON. */
const otherSpelling = new Set(['"\\u00e9"', '"\\ud83c\\udf27"', '"\\/"', '"\\u000a"', '{"y":"z","x":1}'])
/** Rejected by a rule, which only the door checks. */
const byRule = (column: string) => column === "e"

describe("Events in a topic", () => {
  const recognize = recognizing([parityStream("parity")])

  it("are canonical values, which are read as they are", () => {
    for (const { column, canonical } of parityValues) {
      if (canonical === null || canonical === "") continue
      const record = `{"${column}":${canonical}}`
      assert.deepStrictEqual(recognize(record, undefined), { record, schemaVersion: 1 })
      assert.deepStrictEqual(recognize(` { "${column}"\n: ${canonical} } `, 1), { record, schemaVersion: 1 })
    }
  })

  it("are not what only the door converts, nor what it rejects", () => {
    for (const { column, sent, canonical } of parityValues) {
      const isEvent = sent === canonical || otherSpelling.has(sent) || (byRule(column) && /^"\w*"$/.test(sent))
      assert.strictEqual(recognize(`{"${column}":${sent}}`, undefined) !== undefined, isEvent, `${column} ${sent}`)
    }
    for (const text of ["", "x", "[]", "null", "{} {}", '{"b":true,"b":true}', '{"i":1}x', '{"i":1']) {
      assert.isUndefined(recognize(text, undefined), text)
    }
  })

  it("have the form of one version, the one that the message names", () => {
    const version = (number: number, columns: ReadonlyArray<Column>): AppliedStream => ({
      definition: { name: "readings", columns, key: null, partitionBy: [] },
      version: number,
      ids: {},
      lastId: 0,
      appliedAt: 0
    })
    const read = recognizing([
      version(1, [{ name: "count", type: "int", required: true }]),
      version(2, [
        { name: "count", type: "long", required: true },
        { name: "note", type: "string", required: false }
      ])
    ])
    const one = { record: '{"count":1}', schemaVersion: 1 }
    const two = { record: '{"count":"1","note":"x"}', schemaVersion: 2 }
    assert.deepStrictEqual([read(one.record, undefined), read(one.record, 1)], [one, one])
    assert.deepStrictEqual([read(two.record, undefined), read(two.record, 2)], [two, two])
    assert.deepStrictEqual(
      [read(one.record, 2), read(two.record, 1), read(two.record, 3)],
      [undefined, undefined, undefined]
    )
    assert.isUndefined(read('{"note":"x"}', undefined))
  })
})
