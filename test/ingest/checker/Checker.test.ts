/** Given a stream's columns, when a body is checked, then each event is canonical or refused with its field and a sentence. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as Checker from "../../../layers/ingest/checker/Checker.ts"
import type { Column, ColumnType } from "../../../services/StreamDefinition.ts"
import { definitionOf, primitives, typedStream } from "../../support/typedEvents.ts"

const options = { accepted: undefined, all: false }

const checked = (columns: ReadonlyArray<Column>, body: string, format: "json" | "ndjson" = "json") =>
  Result.getOrThrow(Checker.make(definitionOf(columns))[format](body, options))

const one = (type: ColumnType, required = true): ReadonlyArray<Column> => [{ name: "x", required, ...type }]
const value = (type: ColumnType, json: string) => checked(one(type), `{"x":${json}}`)
const errorsOf = (columns: ReadonlyArray<Column>, body: string) =>
  checked(columns, body).rejected.flatMap(({ errors }) => errors)

describe("canonical form", () => {
  it("is made of the values, for any columns and in any order of the fields", () => {
    fc.assert(
      fc.property(
        typedStream.chain(({ columns, event }) =>
          fc.tuple(fc.constant(columns), fc.array(event, { minLength: 1, maxLength: 4 }))
        ),
        ([columns, events]) => {
          const body = `[${events.map(({ sent }) => sent).join(",")}]`
          const { records, rejected } = checked(columns, body)
          assert.deepStrictEqual(rejected, [])
          assert.deepStrictEqual(
            records,
            events.map(({ canonical }) => canonical)
          )
          assert.deepStrictEqual(checked(columns, `[${records.join(",")}]`).records, records)
          assert.deepStrictEqual(checked(columns, records.join("\n"), "ndjson").records, records)
        }
      ),
      { numRuns: 500 }
    )
  })

  it("is JSON that the platform reads as the same value", () => {
    fc.assert(
      fc.property(
        typedStream.chain(({ event, columns }) => fc.tuple(fc.constant(columns), event)),
        ([columns, event]) => {
          const [record = ""] = checked(columns, event.sent).records
          assert.deepStrictEqual(JSON.stringify(JSON.parse(record)), JSON.stringify(JSON.parse(event.canonical ?? "")))
        }
      )
    )
  })
})

describe("what does not fit", () => {
  it("is refused, for any columns", () => {
    fc.assert(
      fc.property(
        typedStream.chain(({ columns, event, wrong }) => fc.tuple(fc.constant(columns), event, wrong)),
        ([columns, good, wrong]) => {
          const { records, rejected } = checked(columns, `[${good.sent},${wrong}]`)
          assert.deepStrictEqual(records, [good.canonical])
          assert.deepStrictEqual(
            rejected.map(({ index, value }) => ({ index, value })),
            [{ index: 1, value: wrong }]
          )
          for (const { field, message } of rejected[0]?.errors ?? []) {
            assert.match(field, /^\[1\]/)
            assert.notStrictEqual(message, "")
          }
        }
      ),
      { numRuns: 500 }
    )
  })

  for (const [name, { type, wrong }] of Object.entries(primitives)) {
    it(`is refused: ${name}`, () => {
      fc.assert(
        fc.property(wrong, (json) => {
          assert.deepStrictEqual(
            errorsOf(one(type), `{"x":${json}}`).map(({ field }) => field),
            ["[0].x"]
          )
        })
      )
    })
  }
})

describe("numbers", () => {
  it("are exact by their digits, however many digits the others have", () => {
    const columns: ReadonlyArray<Column> = [
      { name: "d", type: "double", required: true },
      { name: "l", type: "long", required: true },
      { name: "p", type: "decimal(38,10)", required: true }
    ]
    const sent =
      '{"d":0.1000000000000000055511151231257827,"l":9007199254740993,"p":1234567890123456789012345678.0000000001}'
    assert.deepStrictEqual(checked(columns, sent).records, [
      '{"d":0.1,"l":"9007199254740993","p":"1234567890123456789012345678.0000000001"}'
    ])
  })

  it("keep the sign of 0 nowhere", () => {
    for (const type of ["int", "float", "double"] as const) {
      for (const zero of ["-0", "-0.0", "0e5", "-0e-400"]) {
        assert.deepStrictEqual(value({ type }, zero).records, ['{"x":0}'])
      }
    }
    assert.deepStrictEqual(value({ type: "long" }, '"-0"').records, ['{"x":"0"}'])
    assert.deepStrictEqual(value({ type: "decimal(12,2)" }, "-0.000").records, ['{"x":"0.00"}'])
  })

  it("of float are the nearest 32-bit float", () => {
    assert.deepStrictEqual(value({ type: "float" }, "0.1").records, ['{"x":0.10000000149011612}'])
    assert.deepStrictEqual(value({ type: "float" }, "3.4028234663852886e38").records, ['{"x":3.4028234663852886e+38}'])
  })

  it("may be longer than any number", () => {
    const nines = "9".repeat(500_000)
    assert.strictEqual(value({ type: "long" }, nines).rejected.length, 1)
    assert.strictEqual(value({ type: "decimal(38,0)" }, `1${"0".repeat(500_000)}1`).rejected.length, 1)
    assert.deepStrictEqual(value({ type: "int" }, `1e${nines}`).rejected.length, 1)
    assert.deepStrictEqual(value({ type: "double" }, `0e${nines}`).records, ['{"x":0}'])
  })
})

describe("days", () => {
  it("are those of the Gregorian calendar", () => {
    const isDay = (day: string) => value({ type: "date" }, `"${day}"`).records.length === 1
    const real = [
      "2000-02-29",
      "1600-02-29",
      "2024-02-29",
      "0004-02-29",
      "2026-01-31",
      "2026-04-30",
      "0001-01-01",
      "9999-12-31"
    ]
    const unreal = ["1900-02-29", "2100-02-29", "2026-02-29", "2026-04-31", "2026-00-10", "2026-01-00", "2026-01-32"]
    assert.deepStrictEqual(real.filter(isDay), real)
    assert.deepStrictEqual(unreal.filter(isDay), [])
  })

  it("may change when an offset is turned into UTC", () => {
    const at = (text: string) => value({ type: "timestamptz" }, `"${text}"`).records
    assert.deepStrictEqual(at("2024-02-29T23:30:00-01:00"), ['{"x":"2024-03-01T00:30:00.000000Z"}'])
    assert.deepStrictEqual(at("0001-01-01T00:00:00-00:00"), ['{"x":"0001-01-01T00:00:00.000000Z"}'])
    assert.deepStrictEqual(at("0099-12-31T23:59:59.9-00:01"), ['{"x":"0100-01-01T00:00:59.900000Z"}'])
  })
})

describe("JSON columns", () => {
  it("keep any value as text, with its digits and the order of its fields", () => {
    const { records } = value({ type: "json" }, '{ "b": [1.50, 1e400, -0, 12345678901234567890], "a": "\\u0041\\n" }')
    const [record = ""] = records
    assert.deepStrictEqual(JSON.parse(record), { x: '{"b":[1.50,1e400,-0,12345678901234567890],"a":"A\\n"}' })
  })

  it("have the same text whichever of the two readers takes the event, and with any white space", () => {
    const columns: ReadonlyArray<Column> = [{ name: "x", type: "json", required: true }]
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: "medium" }), fc.constantFrom(0, 1, 3), (any, indent) => {
        const text = JSON.stringify([any], null, indent)
        const expected = [JSON.stringify({ x: JSON.stringify(JSON.parse(text)) })]
        fc.pre(!text.includes("e+") && !text.includes("__proto__") && text.isWellFormed())
        assert.deepStrictEqual(checked(columns, `{"x":${text}}`).records, expected)
        // An escaped name goes through the other reader.
        assert.deepStrictEqual(checked(columns, `{"\\u0078" : ${text} }`).records, expected)
      }),
      { numRuns: 300 }
    )
    for (const broken of ["[1,]", "[,1]", "{,}", '{"a"}', '{"a":}', "[1 2]", "{1:2}", '"\\x"', "01", "[", '{"a":1,}']) {
      assert.isTrue(Result.isFailure(Checker.make(definitionOf(columns)).json(`{"x":${broken}}`, options)), broken)
    }
  })

  it("refuse a doubled name, __proto__ and a lone surrogate at any depth", () => {
    const fields = (json: string) => value({ type: "json" }, json).rejected.flatMap(({ errors }) => errors)
    assert.deepStrictEqual(fields('{"a":[{"b":1,"b":2}]}'), [{ field: "[0].x.a[0].b", message: "is given twice" }])
    assert.deepStrictEqual(fields('{"b":1,"\\u0062":2}'), [{ field: "[0].x.b", message: "is given twice" }])
    assert.deepStrictEqual(
      fields('{"a":{"__proto__":{}}}').map(({ field }) => field),
      ["[0].x.a.__proto__"]
    )
    assert.deepStrictEqual(
      fields('["\\udfff"]').map(({ field }) => field),
      ["[0].x[0]"]
    )
  })
})

describe("columns that the server sets", () => {
  const columns: ReadonlyArray<Column> = [
    { name: "a", type: "int", required: false },
    { name: "logged", type: "accepted", required: true },
    { name: "b", type: "int", required: false }
  ]
  const accepted = "2026-11-27T10:11:12.123000Z"

  it("are in their place, and absent without a time", () => {
    const checker = Checker.make(definitionOf(columns))
    const records = (accepted: string | undefined, body: string) =>
      Result.getOrThrow(checker.json(body, { accepted, all: false })).records
    assert.deepStrictEqual(records(accepted, '[{"b":2,"a":1},{}]'), [
      `{"a":1,"logged":"${accepted}","b":2}`,
      `{"logged":"${accepted}"}`
    ])
    assert.deepStrictEqual(records(undefined, '[{"b":2,"a":1},{}]'), ['{"a":1,"b":2}', "{}"])
    // An escaped name goes through the other of the two readers.
    assert.deepStrictEqual(records(accepted, '{"\\u0061":1}'), [`{"a":1,"logged":"${accepted}"}`])
  })

  it("are refused from clients", () => {
    assert.deepStrictEqual(errorsOf(columns, `{"logged":"${accepted}"}`), [
      { field: "[0].logged", message: "is set by the server" }
    ])
  })
})

describe("errors", () => {
  const columns: ReadonlyArray<Column> = [
    { name: "place", type: "struct", required: true, fields: [{ name: "lat", type: "double", required: true }] },
    { name: "tags", type: "list", element: { type: "string" }, nullable: false, required: false }
  ]

  it("name the path of each field", () => {
    assert.deepStrictEqual(
      errorsOf(
        columns,
        '[{"place":{"lat":1}},{"place":{"lat":"1"},"tags":["a",null,3]},{"place":{"latt":1}},{},[]]'
      ).map(({ field, message }) => `${field} ${message}`),
      [
        "[1].place.lat must be a JSON number in the range of a double",
        "[1].tags[1] must not be null",
        "[1].tags[2] must be a string",
        "[2].place.latt is not a known field; did you mean lat?",
        "[2].place.lat is required",
        "[3].place is required",
        "[4] must be an object"
      ]
    )
  })

  it("are at most 20, unless all are wanted", () => {
    const body = `[${Array.from({ length: 100 }, () => "{}").join(",")}]`
    assert.strictEqual(errorsOf(columns, body).length, 20)
    const { rejected } = Result.getOrThrow(
      Checker.make(definitionOf(columns)).json(body, { accepted: undefined, all: true })
    )
    assert.strictEqual(rejected.length, 100)
    const wide = `{${Array.from({ length: 5000 }, (_, i) => `"f${i}":1`).join(",")}}`
    assert.strictEqual(errorsOf(columns, wide).length, 20)
  })
})

describe("rules", () => {
  const errors = (type: ColumnType, json: string) =>
    value(type, json).rejected.flatMap(({ errors }) => errors.map(({ message }) => message))

  it("of numbers hold by their digits", () => {
    const long: ColumnType = {
      type: "long",
      rules: { minimum: "9007199254740993", exclusiveMaximum: "9007199254740995" }
    }
    assert.deepStrictEqual(errors(long, "9007199254740992"), ["must be at least 9007199254740993"])
    assert.deepStrictEqual(errors(long, "9007199254740993"), [])
    assert.deepStrictEqual(errors(long, "9007199254740995"), ["must be less than 9007199254740995"])
    const price: ColumnType = { type: "decimal(12,2)", rules: { multipleOf: 0.05, exclusiveMinimum: 0 } }
    assert.deepStrictEqual(errors(price, "0.15"), [])
    assert.deepStrictEqual(errors(price, '"0.16"'), ["must be a multiple of 0.05"])
    assert.deepStrictEqual(errors(price, "0"), ["must be greater than 0"])
    assert.deepStrictEqual(errors({ type: "double", rules: { maximum: 1.5 } }, "1.51"), ["must be at most 1.5"])
  })

  it("of texts and lists", () => {
    assert.deepStrictEqual(errors({ type: "string", rules: { minLength: 2, maxLength: 3 } }, '"a"'), [
      "must have at least 2 characters"
    ])
    assert.deepStrictEqual(errors({ type: "string", rules: { maxLength: 2 } }, '"\\u0061bc"'), [
      "must have at most 2 characters"
    ])
    assert.deepStrictEqual(errors({ type: "string", rules: { oneOf: ["a", "b"] } }, '"c"'), ['must be one of "a", "b"'])
    const pattern: ColumnType = { type: "string", rules: { pattern: { source: "^a+$", flags: "g" } } }
    assert.deepStrictEqual([errors(pattern, '"aa"'), errors(pattern, '"aa"')], [[], []])
    assert.deepStrictEqual(errors(pattern, '"b"'), ["must match /^a+$/g"])
    const list: ColumnType = { type: "list", element: { type: "int" }, nullable: false, rules: { maxItems: 1 } }
    assert.deepStrictEqual(errors(list, "[1,2]"), ["must have at most 1 element"])
  })
})
