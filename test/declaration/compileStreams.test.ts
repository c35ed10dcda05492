import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import { render } from "../../layers/declaration/render.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { weatherStream } from "../../services/Weather.ts"
import { Column, Partition, Stream } from "../../streams/index.ts"
import { Weather } from "../../streams/weather.ts"

type Fields = Schema.Struct.Fields

/** The compiled definition, or its sentences. */
const compiled = (stream: unknown): StreamDefinition | ReadonlyArray<string> => {
  const result = compileStreams({ stream })
  return "sentences" in result ? result.sentences : (result.compiled.streams[0] ?? [])
}

const columnOf = (field: Schema.Top) => {
  const result = compiled(Stream.make("some", { schema: Schema.Struct({ c: field }) }))
  return "columns" in result ? result.columns[0] : result
}

/** The type alone: what a required column `c` has beside its name. */
const typeOf = (field: Schema.Top) => {
  const column = columnOf(field)
  if (column === undefined || !("name" in column)) return column
  const { name: _, ...rest } = column
  return rest
}

const required = (type: string, more: object = {}) => ({ required: true, type, ...more })

describe("the columns of a schema", () => {
  it("have the types of the table in docs/streams.md", () => {
    const types: Array<[Schema.Top, object]> = [
      [Schema.Boolean, required("boolean")],
      [Schema.String, required("string")],
      [Schema.Literals(["up", "down"]), required("string", { rules: { oneOf: ["up", "down"] } })],
      [Schema.Literal("up"), required("string", { rules: { oneOf: ["up"] } })],
      [Schema.Finite, required("double")],
      [Column.int, required("int")],
      [
        Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 })),
        required("int", { rules: { minimum: 0, maximum: 10 } })
      ],
      [Column.long, required("long")],
      [Column.float, required("float")],
      [Column.decimal(12, 2), required("decimal(12,2)")],
      [Column.decimal(38, 0, { minimum: "0" }), required("decimal(38,0)", { rules: { minimum: "0" } })],
      [Column.timestamptz, required("timestamptz")],
      [Column.timestamp, required("timestamp")],
      [Column.date, required("date")],
      [Column.time, required("time")],
      [Column.uuid, required("uuid")],
      [Column.binary, required("binary")],
      [Column.json, required("json")],
      [Column.accepted, { required: false, type: "accepted" }],
      [
        Schema.Struct({ x: Schema.Finite, y: Schema.optionalKey(Column.date) }),
        required("struct", {
          fields: [
            { name: "x", required: true, type: "double" },
            { name: "y", required: false, type: "date" }
          ]
        })
      ],
      [Schema.Array(Column.long), required("list", { element: { type: "long" }, nullable: false })],
      [Schema.Array(Schema.NullOr(Schema.String)), required("list", { element: { type: "string" }, nullable: true })],
      [Schema.Record(Schema.String, Column.uuid), required("map", { value: { type: "uuid" }, nullable: false })],
      [
        Schema.Record(Schema.String, Schema.NullOr(Schema.Array(Schema.Boolean))),
        required("map", { value: { type: "list", element: { type: "boolean" }, nullable: false }, nullable: true })
      ]
    ]
    for (const [field, expected] of types) assert.deepStrictEqual<unknown>(typeOf(field), expected)
  })

  it("are optional with optionalKey, optional, NullOr and any mixture of them", () => {
    const { String: Text } = Schema
    const optional = [
      Schema.optionalKey(Text),
      Schema.optional(Text),
      Schema.NullOr(Text),
      Schema.UndefinedOr(Text),
      Schema.NullishOr(Text),
      Schema.optionalKey(Schema.NullOr(Schema.UndefinedOr(Text)))
    ]
    for (const field of optional) assert.deepStrictEqual<unknown>(typeOf(field), { required: false, type: "string" })
    assert.deepStrictEqual<unknown>(typeOf(Schema.NullOr(Schema.Literals(["a", "b"]))), {
      required: false,
      type: "string",
      rules: { oneOf: ["a", "b"] }
    })
  })

  it("have the rules of Effect's checks, in one order", () => {
    const checked: Array<[Schema.Top, object]> = [
      [Schema.NonEmptyString, { minLength: 1 }],
      [
        Schema.String.check(Schema.isPattern(/^a+$/iu), Schema.isMaxLength(9), Schema.isMinLength(2)),
        {
          minLength: 2,
          maxLength: 9,
          pattern: { source: "^a+$", flags: "iu" }
        }
      ],
      [Schema.String.check(Schema.isBetweenLength(1, 9), Schema.isMaxLength(5)), { minLength: 1, maxLength: 5 }],
      [
        Schema.Finite.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1)),
        { maximum: 1, exclusiveMinimum: 0 }
      ],
      [
        Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true })),
        {
          minimum: 0,
          exclusiveMaximum: 1
        }
      ],
      [Column.int.check(Schema.isMultipleOf(5)), { multipleOf: 5 }],
      [Column.int.check(Schema.isBetween({ minimum: -1, maximum: 1 })), { minimum: -1, maximum: 1 }],
      [Column.long.check(Schema.isGreaterThanBigInt(9_007_199_254_740_992n)), { exclusiveMinimum: "9007199254740992" }],
      [Column.long.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: 2n })), { minimum: "1", maximum: "2" }],
      [Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(3)), { minItems: 1, maxItems: 3 }],
      [Schema.Record(Schema.String, Schema.String).check(Schema.isMaxProperties(3)), { maxItems: 3 }]
    ]
    for (const [field, rules] of checked) {
      const type = typeOf(field)
      assert.deepStrictEqual<unknown>(type !== undefined && "rules" in type ? type.rules : type, rules)
      if (type !== undefined && "rules" in type) assert.strictEqual(JSON.stringify(type.rules), JSON.stringify(rules))
    }
  })

  it("keep their descriptions", () => {
    const doc = { description: "The place" }
    for (const field of [
      Schema.String.annotate(doc),
      Schema.NonEmptyString.annotate(doc),
      Schema.optionalKey(Column.uuid.annotate(doc)),
      Schema.NullOr(Schema.String.annotate(doc)),
      Schema.String.annotateKey(doc)
    ]) {
      const column = columnOf(field)
      assert.strictEqual(column !== undefined && "doc" in column ? column.doc : undefined, "The place")
    }
  })
})

class Place extends Schema.Class<Place>("Place")({ name: Schema.String }) {}

interface Tree {
  readonly children: ReadonlyArray<Tree>
}
const Tree = Schema.Struct({ children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree)) })

const nested = (levels: number): Schema.Top => (levels === 1 ? Schema.String : Schema.Struct({ n: nested(levels - 1) }))

const fields = (count: number): Fields =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`c${index}`, Schema.String]))

describe("a declaration with a fault", () => {
  const faults: Array<[name: string, field: Schema.Top, path: string, sentence: RegExp]> = [
    ["a union", Schema.Union([Schema.String, Schema.Finite]), "c", /^a union cannot be a column/],
    ["a tuple", Schema.Tuple([Schema.String]), "c", /^a tuple cannot be a column/],
    ["a number with NaN", Schema.Number, "c", /NaN and Infinity.* use Schema\.Finite/],
    ["Unknown", Schema.Unknown, "c", /^Unknown cannot be a column; use Column\.json/],
    ["a bare BigDecimal", Schema.BigDecimal, "c", /use Column\.decimal/],
    ["a bare BigInt", Schema.BigInt, "c", /use Column\.long/],
    ["an integer without a range", Schema.Int, "c", /Column\.int or Column\.long/],
    ["a Date", Schema.Date, "c", /use Column\.timestamptz/],
    ["a codec", Schema.FiniteFromString, "c", /transforms its input/],
    ["a class", Place, "c", /a class/],
    ["a recursive schema", Tree, "c.children.element", /contains itself/],
    ["numbers as literals", Schema.Literals([1, 2]), "c", /all of them are strings/],
    ["a template literal", Schema.TemplateLiteral(["a", Schema.String]), "c", /isPattern/],
    ["a filter function", Schema.String.check(Schema.makeFilter((text: string) => text > "a")), "c", /filter function/],
    ["a check without a rule", Schema.Trimmed, "c", /isTrimmed is not supported/],
    ["checks of a uuid", Column.uuid.check(Schema.isMinLength(1)), "c", /uuid takes no checks/],
    ["39 digits", Column.decimal(39, 2), "c", /precision must be 1 to 38/],
    ["a scale above the precision", Column.decimal(3, 4), "c", /at most the precision/],
    ["a nested accepted", Schema.Struct({ at: Column.accepted }), "c.at", /outside structs/],
    ["an empty struct", Schema.Struct({}), "c", /needs a field/],
    ["a nested fault", Schema.Array(Schema.Struct({ x: Schema.Unknown })), "c.element.x", /Column\.json/],
    ["33 levels", nested(33), `c${".n".repeat(32)}`, /deeper than 32/]
  ]
  for (const [name, field, path, sentence] of faults) {
    it(`names the column: ${name}`, () => {
      const sentences = columnOf(field)
      if (!Array.isArray(sentences)) return assert.fail(JSON.stringify(sentences))
      assert.strictEqual(sentences.length, 1, sentences.join("\n"))
      const [, where, what] = /^stream some, column (\S+): (.*)$/.exec(String(sentences[0])) ?? []
      assert.strictEqual(where, path)
      assert.match(what ?? "", sentence)
    })
  }

  const only = {
    schema: Schema.Struct({ a: Schema.String, at: Column.timestamptz, s: Schema.Struct({ x: Column.int }) })
  }
  const rejected = (name: string, options: object, ...expected: ReadonlyArray<RegExp>) => {
    const sentences = compiled({ ...Stream.make(name, only), ...options })
    if (!Array.isArray(sentences)) return assert.fail(JSON.stringify(sentences))
    assert.strictEqual(sentences.length, expected.length, sentences.join("\n"))
    for (const [index, pattern] of expected.entries()) assert.match(String(sentences[index]), pattern)
  }

  it("names what is wrong with its name, key, partitions and renames", () => {
    rejected("Some", {}, /^stream Some: a stream's name/)
    rejected("a".repeat(64), {}, /at most 63/)
    rejected("weather", {}, /built-in/)
    for (const name of ["a_late", "a_state", "a_by_key"]) rejected(name, {}, /are reserved/)
    rejected("some", { key: "b" }, /^stream some, column b: the key is not a column/)
    rejected("some", { key: "s" }, /column s: the key cannot be a struct/)
    rejected("some", { partitionBy: [Partition.day("b")] }, /column b: Partition\.day needs a top-level column/)
    rejected("some", { partitionBy: [Partition.day("a")] }, /Partition\.day does not fit a column of type string/)
    rejected("some", { partitionBy: [Partition.bucket("a", 0)] }, /whole number/)
    rejected("some", { partitionBy: [Partition.day("at"), Partition.hour("at")] }, /one of year, month, day and hour/)
    rejected("some", { renames: { b: "a" } }, /column b: renames has a name that is not a column/)
    rejected("some", { renames: { at: "a" } }, /renamed from a, which is still a column/)
    rejected(
      "some",
      { schema: Schema.Struct({ a: Schema.String, A: Schema.String }) },
      /column A: the name is used twice/
    )
    rejected("some", { schema: Schema.Struct({ "a b": Schema.String }) }, /letters, digits and _/)
    rejected("some", { schema: Schema.Struct({ ["__proto__"]: Schema.String }) }, /begin with __ are reserved/)
    rejected("some", { schema: Schema.Struct(fields(1001)) }, /it has 1001 columns/)
    rejected("some", { schema: Schema.String }, /is a Schema\.Struct/)
  })

  it("names every fault of every stream, and a name that two streams have", () => {
    const one = Stream.make("one", { schema: Schema.Struct({ a: Schema.Unknown, b: Schema.Number }) })
    const two = Stream.make("two", only)
    const result = compileStreams({ one, two, again: two, three: Stream.make("two", only), other: 3 })
    assert.deepStrictEqual(
      "sentences" in result ? result.sentences.map((sentence) => sentence.replace(/: .*/, "")) : [],
      ["stream one, column a", "stream one, column b", "stream two"]
    )
    assert.match("sentences" in compileStreams({}) ? "none" : "", /none/)
  })

  it("is none at the limits: 32 levels, 1,000 columns, 63 characters", () => {
    const wide = Stream.make("a".repeat(63), { schema: Schema.Struct(fields(1000)) })
    assert.isTrue("columns" in compiled(wide))
    assert.isTrue("columns" in compiled(Stream.make("deep", { schema: Schema.Struct({ c: nested(32) }) })))
  })
})

it("weather is declared as a user's stream and compiles to the built-in definition, but for its reserved name", () => {
  assert.deepStrictEqual<unknown>(compiled({ ...Weather, name: "some" }), { ...weatherStream.definition, name: "some" })
  assert.match(String(compiled(Weather)), /built-in/)
})

it("compiles to the same bytes in whatever order streams are exported and checks are written", () => {
  const checks = [Schema.isMinLength(1), Schema.isMaxLength(9)] as const
  const [a, b] = [checks, checks.toReversed()].map(([first, ...rest]) =>
    Stream.make("some", {
      schema: Schema.Struct({ c: first === undefined ? Schema.String : Schema.String.check(first, ...rest) }),
      key: "c"
    })
  )
  const other = Stream.make("other", { schema: Schema.Struct({ c: Schema.Finite }) })
  const [one, two] = [compileStreams({ a, other }), compileStreams({ other, b })]
  if ("sentences" in one || "sentences" in two) return assert.fail()
  assert.strictEqual(render(one.compiled), render(two.compiled))
})
