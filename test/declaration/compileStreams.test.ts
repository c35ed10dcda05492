import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import { render } from "../../layers/declaration/render.ts"
import type { ColumnType, Column as StreamColumn, StreamDefinition } from "../../services/StreamDefinition.ts"
import { weatherStream } from "../../services/Weather.ts"
import { Column, Stream } from "../../streams/index.ts"
import { Weather } from "../../streams/weather.ts"
import { someColumns } from "../support/someStreams.ts"

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

/** The schema that a user writes for this type. */
const schemaOf = (type: ColumnType): Schema.Top => {
  switch (type.type) {
    case "struct":
      return Schema.Struct(structOf(type.fields))
    case "list":
      return Schema.Array(nullable(schemaOf(type.element), type.nullable))
    case "map":
      return Schema.Record(Schema.String, nullable(schemaOf(type.value), type.nullable))
    case "boolean":
      return Schema.Boolean
    case "string":
      return Schema.String
    case "double":
      return Schema.Finite
    default: {
      const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type.type) ?? []
      if (precision !== undefined) return Column.decimal(Number(precision), Number(scale))
      return primitives[type.type] ?? assert.fail(type.type)
    }
  }
}
const { int, long, float, date, time, timestamp, timestamptz, uuid, binary, json, accepted } = Column
const primitives: Record<string, Schema.Top> = {
  int,
  long,
  float,
  date,
  time,
  timestamp,
  timestamptz,
  uuid,
  binary,
  json,
  accepted
}
const nullable = (schema: Schema.Top, isNullable: boolean) => (isNullable ? Schema.NullOr(schema) : schema)
const structOf = (columns: ReadonlyArray<StreamColumn>): Fields =>
  Object.fromEntries(
    columns.map((column) => [column.name, column.required ? schemaOf(column) : Schema.optionalKey(schemaOf(column))])
  )

it("every definition is what the schema compiles to that is written for it", () => {
  fc.assert(
    fc.property(someColumns, (columns) => {
      const schema = Schema.Struct(structOf(columns))
      assert.deepStrictEqual<unknown>(compiled(Stream.make("some", { schema })), {
        name: "some",
        columns,
        key: null,
        partitionBy: []
      })
    })
  )
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
