import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import { Column, Partition, Stream } from "../../streams/index.ts"

type Fields = Schema.Struct.Fields

const compiled = (stream: unknown) => {
  const result = compileStreams({ stream })
  return "sentences" in result ? result.sentences : (result.compiled.streams[0] ?? [])
}
const columnOf = (field: Schema.Top) => compiled(Stream.make("some", { schema: Schema.Struct({ c: field }) }))

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
