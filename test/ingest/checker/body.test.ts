/** Given a body, when it is no list of events or passes a limit, then it is refused as a whole, and what JSON.parse refuses is never taken. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Checker from "../../../layers/ingest/checker/Checker.ts"
import type { Column } from "../../../services/StreamDefinition.ts"
import { definitionOf, typedStream } from "../../support/typedEvents.ts"

const columns: ReadonlyArray<Column> = [
  { name: "n", type: "int", required: false },
  { name: "any", type: "json", required: false },
  { name: "list", type: "list", element: { type: "int" }, nullable: false, required: false },
  { name: "text", type: "string", required: false }
]
const checker = Checker.make(definitionOf(columns))
const json = (body: string, all = false) => checker.json(body, { accepted: undefined, all })
const ndjson = (body: string, all = false) => checker.ndjson(body, { accepted: undefined, all })

const failed = (result: ReturnType<typeof json>) => {
  if (Result.isSuccess(result)) throw new Error("the body is taken")
  return [result.failure._tag, result.failure.field]
}
const taken = (result: ReturnType<typeof json>) => {
  const { records, rejected } = Result.getOrThrow(result)
  return { records, rejected: rejected.map(({ index, value }) => [index, value]) }
}

describe("JSON", () => {
  it("is an array of events or one event", () => {
    assert.deepStrictEqual(taken(json(' [ {"n":1} , {} ] \n')), { records: ['{"n":1}', "{}"], rejected: [] })
    assert.deepStrictEqual(taken(json(' { "n" : 1 } ')), { records: ['{"n":1}'], rejected: [] })
    assert.deepStrictEqual(failed(json("[]")), ["Empty", "body"])
    for (const body of ["1", '"a"', "null", "true"]) assert.deepStrictEqual(failed(json(body)), ["Syntax", "body"])
  })

  it("is refused whatever is wrong with it", () => {
    const bodies = [
      "",
      " ",
      "[",
      "[{}",
      "[{},]",
      "[{}] x",
      "{} {}",
      "[{}}",
      '{"n":1,}',
      '{"n":01}',
      '{"n":.5}',
      '{"n":1.}'
    ]
    bodies.push(
      "{n:1}",
      "{'n':1}",
      '{"n":1e}',
      '{"n":NaN}',
      '{"text":"\n"}',
      '{"text":"\\x"}',
      '{"list":[1,]}',
      '{"list":[,1]}'
    )
    bodies.push(
      '{"n":nul}',
      '{"n":nullx}',
      '{"any":{"a":1,}}',
      '{"any":"a',
      "[{}]]",
      '{"list":[1 2]}',
      '{"n" 1}',
      "[,{}]"
    )
    for (const body of bodies) {
      assert.throws(() => JSON.parse(body))
      assert.deepStrictEqual(failed(json(body)), ["Syntax", "body"], body)
    }
  })

  it("is never taken where JSON.parse refuses it", () => {
    const damaged = typedStream.chain(({ columns, event }) =>
      event.chain(({ sent }) =>
        fc
          .tuple(
            fc.nat(sent.length - 1),
            fc.constantFrom("", ",", '"', "}", "]", "{", "0", "e", "-", ".", "\\", " ", "n")
          )
          .map(([at, put]) => ({ columns, body: `[${sent.slice(0, at)}${put}${sent.slice(at + 1)}]` }))
      )
    )
    fc.assert(
      fc.property(damaged, ({ columns, body }) => {
        const result = Checker.make(definitionOf(columns)).json(body, { accepted: undefined, all: true })
        let isJson = true
        try {
          JSON.parse(body)
        } catch {
          isJson = false
        }
        if (!isJson) assert.isTrue(Result.isFailure(result), body)
        if (Result.isFailure(result) && isJson) assert.fail(`${body}: ${result.failure.message}`)
      }),
      { numRuns: 2000 }
    )
  })

  it("with all errors wanted, keeps the text of each rejected event", () => {
    assert.deepStrictEqual(taken(json('[{"n":"1"}, {"n":1},  { "x" : "é" } ]', true)), {
      records: ['{"n":1}'],
      rejected: [
        [0, '{"n":"1"}'],
        [2, '{ "x" : "é" }']
      ]
    })
  })
})

describe("NDJSON", () => {
  it("is one event a line", () => {
    assert.deepStrictEqual(taken(ndjson('{"n":1}\r\n {"n":2} \n{"n":3}\n\n')), {
      records: ['{"n":1}', '{"n":2}', '{"n":3}'],
      rejected: []
    })
    assert.deepStrictEqual(failed(ndjson("\n \n")), ["Empty", "body"])
  })

  it("names each line that is no event of its own", () => {
    const body = '{"n":1}\n{"n":\n2}\n{} {}\n\n[]\n{"n":"2"}\n{"n":3}'
    const { records, rejected } = Result.getOrThrow(ndjson(body, true))
    assert.deepStrictEqual(records, ['{"n":1}', '{"n":3}'])
    assert.deepStrictEqual(
      rejected.map(({ value, errors }) => [value, ...errors.map(({ field, message }) => `${field} ${message}`)]),
      [
        ['{"n":', "[1] is not valid JSON"],
        ["2}", "[2] is not valid JSON"],
        ["{} {}", "[3] is not valid JSON"],
        ["", "[4] is not valid JSON"],
        ["[]", "[5] must be an object"],
        ['{"n":"2"}', "[6].n must be an integer from -2147483648 to 2147483647, as a JSON number"]
      ]
    )
  })
})

describe("limits", () => {
  const nested = (levels: number) => `{"any":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`

  it("of depth", () => {
    assert.strictEqual(taken(json(nested(32))).records.length, 1)
    assert.deepStrictEqual(failed(json(`[{},${nested(33)}]`)), ["Limit", "[1]"])
    assert.deepStrictEqual(failed(json(`{"unknown":${"[".repeat(2_000_000)}`)), ["Limit", "[0]"])
    assert.deepStrictEqual(failed(json("[".repeat(5_000_000))), ["Limit", "[0]"])
    assert.deepStrictEqual(failed(ndjson(`{}\n${'{"any":'.repeat(700_000)}`)), ["Limit", "[1]"])
  })

  it("of elements", () => {
    const list = (count: number) => `{"list":[${Array.from({ length: count }, () => "1").join(",")}]}`
    assert.strictEqual(taken(json(list(10_000))).records.length, 1)
    assert.deepStrictEqual(failed(json(list(10_001))), ["Limit", "[0]"])
    const fields = Array.from({ length: 10_001 }, (_, i) => `"f${i}":1`).join(",")
    assert.deepStrictEqual(failed(json(`{"any":{${fields}}}`)), ["Limit", "[0]"])
    assert.deepStrictEqual(failed(json(`{${fields}}`)), ["Limit", "[0]"])
  })

  it("of values", () => {
    const wide = (lists: number) =>
      `{"any":[${Array.from({ length: lists }, () => `[${"0,".repeat(9_998)}0]`).join(",")}]}`
    assert.strictEqual(taken(json(wide(9))).records.length, 1)
    assert.deepStrictEqual(failed(json(`[{},${wide(11)}]`)), ["Limit", "[1]"])
  })

  it("of events", () => {
    const many = (count: number) => Array.from({ length: count }, () => "{}")
    assert.strictEqual(taken(json(`[${many(10_000).join(",")}]`)).records.length, 10_000)
    assert.deepStrictEqual(failed(json(`[${many(10_001).join(",")}]`)), ["TooLarge", "body"])
    assert.deepStrictEqual(failed(ndjson(many(10_001).join("\n"))), ["TooLarge", "body"])
  })

  it("of bytes", () => {
    const text = (bytes: number) => `{"text":"${"é".repeat((bytes - 11) / 2)}"}`
    assert.strictEqual(Buffer.byteLength(text(1_048_577)), 1_048_577)
    assert.strictEqual(taken(json(text(1_048_575))).records.length, 1)
    assert.deepStrictEqual(failed(json(text(1_048_577))), ["TooLarge", "[0]"])
    const long = `{"unknown":["${"x".repeat(600_000)}","${"x".repeat(600_000)}"]}`
    assert.deepStrictEqual(failed(json(long)), ["TooLarge", "[0]"])
  })
})
