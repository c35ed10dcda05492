import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import fc from "fast-check"
import { assignIds, firstVersion, pathsOf } from "../../layers/declaration/assignIds.ts"
import { compareStreams, nextVersion } from "../../layers/declaration/compareStreams.ts"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { Column, Partition, Stream } from "../../streams/index.ts"
import { someColumns } from "../support/someStreams.ts"

type Fields = Schema.Struct.Fields

const { optionalKey, Struct, Finite, NullOr } = Schema

const declared = (fields: Fields, options: object = {}): StreamDefinition => {
  const result = compileStreams({ stream: { ...Stream.make("some", { schema: Struct(fields) }), ...options } })
  if ("sentences" in result) return assert.fail(result.sentences.join("\n"))
  return result.compiled.streams[0] ?? assert.fail()
}

const given = (...definitions: ReadonlyArray<StreamDefinition>) => {
  const [first, ...rest] = definitions
  const history: [AppliedStream, ...Array<AppliedStream>] = [firstVersion(first ?? assert.fail(), 1000)]
  for (const definition of rest)
    history.push(nextVersion([...history.slice(0, -1), history[history.length - 1] ?? history[0]], definition, 2000))
  return {
    when: (wanted: StreamDefinition) => {
      const { changes, refusals } = compareStreams(history, wanted)
      const next = () => nextVersion([...history.slice(0, -1), history[history.length - 1] ?? history[0]], wanted, 3000)
      return {
        next,
        thenChanges: (...expected: ReadonlyArray<string>) => {
          assert.deepStrictEqual(refusals, [])
          assert.deepStrictEqual(
            changes.map(({ kind, path, what }) => `${kind} ${path}: ${what}`),
            [...expected]
          )
          return next()
        },
        thenRefuses: (path: string, sentence: RegExp) => {
          assert.strictEqual(refusals.length, 1, JSON.stringify(refusals))
          assert.strictEqual(refusals[0]?.path, path)
          assert.match(refusals[0]?.sentence ?? "", sentence)
        }
      }
    }
  }
}

const one = (field: Schema.Top) => declared({ a: Schema.String, c: field })
const text = (...checks: Parameters<typeof Schema.String.check>) => Schema.String.check(...checks)

describe("ids", () => {
  it("are given level by level: the columns first, then what is nested in each", () => {
    const definition = declared({
      place: Struct({ lat: Finite, box: Struct({ x: Finite }), lon: Finite }),
      tags: Schema.Array(Struct({ k: Schema.String })),
      more: Schema.Record(Schema.String, Schema.Array(Finite)),
      last: Finite
    })
    assert.deepStrictEqual(firstVersion(definition, 5), {
      definition,
      version: 1,
      ids: {
        place: 1,
        tags: 2,
        more: 3,
        last: 4,
        "place.lat": 5,
        "place.box": 6,
        "place.lon": 7,
        "place.box.x": 8,
        "tags.element": 9,
        "tags.element.k": 10,
        "more.key": 11,
        "more.value": 12,
        "more.value.element": 13
      },
      lastId: 13,
      appliedAt: 5
    })
  })

  it("are unique and complete for every stream, and never change when they are given again", () => {
    fc.assert(
      fc.property(someColumns, (columns) => {
        const definition = { name: "some", columns, key: null, partitionBy: [] }
        const { ids, lastId } = firstVersion(definition, 0)
        assert.sameMembers(Object.keys(ids), pathsOf(definition.columns))
        assert.sameMembers(
          Object.values(ids),
          Array.from({ length: lastId }, (_, index) => index + 1)
        )
        assert.deepStrictEqual(assignIds(definition, { ids, lastId }), { ids, lastId })
        assert.deepStrictEqual(compareStreams([firstVersion(definition, 0)], definition).changes, [])
      })
    )
  })
})

it("whatever is retired and added, ids stay, new ones follow the last, and none is given twice", () => {
  fc.assert(
    fc.property(someColumns, someColumns, fc.array(fc.boolean()), (columns, others, retired) => {
      const before = firstVersion({ name: "some", columns, key: null, partitionBy: [] }, 1)
      const added = others.map((column) => ({ ...column, name: `n_${column.name}`, required: false }))
      const kept = columns.filter((_, index) => retired[index] !== true)
      const wanted = { ...before.definition, columns: [...added, ...kept.toReversed()] }
      const next = nextVersion([before], wanted, 2)
      assert.deepStrictEqual(compareStreams([before], wanted).refusals, [])
      assert.deepStrictEqual(next.definition.columns, [...kept, ...added])
      assert.deepInclude(next.ids, before.ids)
      const given = Object.values(next.ids).filter((id) => id > before.lastId)
      assert.sameMembers(
        given,
        Array.from({ length: next.lastId - before.lastId }, (_, index) => before.lastId + index + 1)
      )
      assert.includeMembers(Object.keys(next.ids), pathsOf(next.definition.columns))
      assert.deepStrictEqual(compareStreams([before, next], wanted).changes, [])
    })
  )
})

describe("allowed", () => {
  it("an optional column more, wherever it is declared; ids are kept and the new one is the next", () => {
    const applied = given(declared({ a: Schema.String, b: Finite }))
      .when(declared({ n: optionalKey(Column.uuid), b: Finite, a: Schema.String }))
      .thenChanges("add n: uuid")
    assert.deepStrictEqual(
      applied.definition.columns.map(({ name }) => name),
      ["a", "b", "n"]
    )
    assert.deepStrictEqual(
      [applied.version, applied.ids, applied.lastId, applied.appliedAt],
      [2, { a: 1, b: 2, n: 3 }, 3, 3000]
    )
  })

  it("a field of a struct more, in lists and maps too", () => {
    const applied = given(declared({ s: Struct({ x: Finite }), l: Schema.Array(Struct({ x: Finite })) }))
      .when(
        declared({
          s: Struct({ x: Finite, y: optionalKey(Finite) }),
          l: Schema.Array(Struct({ y: NullOr(Finite), x: Finite }))
        })
      )
      .thenChanges("add s.y: double", "add l.element.y: double")
    assert.deepStrictEqual(applied.ids, {
      s: 1,
      l: 2,
      "s.x": 3,
      "l.element": 4,
      "l.element.x": 5,
      "s.y": 6,
      "l.element.y": 7
    })
  })

  it("a wider type, at any depth", () => {
    given(declared({ i: Column.int, f: Column.float, d: Column.decimal(9, 2), l: Schema.Array(Column.int) }))
      .when(declared({ i: Column.long, f: Finite, d: Column.decimal(12, 2), l: Schema.Array(Column.long) }))
      .thenChanges(
        "change i: int → long",
        "change f: float → double",
        "change d: decimal(9,2) → decimal(12,2)",
        "change l.element: int → long"
      )
  })

  it("wider rules", () => {
    const pairs: Array<[Schema.Top, Schema.Top]> = [
      [text(Schema.isMinLength(2)), text(Schema.isMinLength(1))],
      [text(Schema.isMaxLength(2)), text(Schema.isMaxLength(3))],
      [text(Schema.isPattern(/a/)), Schema.String],
      [Schema.Literals(["a"]), Schema.Literals(["b", "a"])],
      [Schema.Literals(["a"]), Schema.String],
      [Finite.check(Schema.isGreaterThan(1)), Finite.check(Schema.isGreaterThanOrEqualTo(1))],
      [Column.int.check(Schema.isMultipleOf(6)), Column.int.check(Schema.isMultipleOf(3))],
      [
        Column.decimal(38, 1, { maximum: "9007199254740993.1" }),
        Column.decimal(38, 1, { maximum: "9007199254740993.2" })
      ],
      [Schema.Array(Finite).check(Schema.isMaxLength(1)), Schema.Array(Finite)]
    ]
    for (const [from, to] of pairs) given(one(from)).when(one(to)).thenChanges("change c: wider rules")
    given(one(Column.int.check(Schema.isGreaterThan(5))))
      .when(one(Column.long.check(Schema.isGreaterThanBigInt(5n))))
      .thenChanges("change c: int → long")
    given(one(Schema.Array(Finite)))
      .when(one(Schema.Array(NullOr(Finite))))
      .thenChanges("change c: may contain null")
    given(one(Finite))
      .when(one(NullOr(Finite)))
      .thenChanges("change c: required → optional")
  })

  it("a column removed; its id is not used again", () => {
    const applied = given(declared({ a: Schema.String, s: Struct({ x: Finite, y: Finite }) }))
      .when(declared({ s: Struct({ x: Finite }), n: NullOr(Finite) }))
      .thenChanges("remove a: string", "remove s.y: double", "add n: double")
    assert.deepStrictEqual(applied.ids, { a: 1, s: 2, "s.x": 3, "s.y": 4, n: 5 })
  })

  it("a top-level rename by alias, with the ids below it, and the alias may stay", () => {
    const options = { key: "id", partitionBy: [Partition.identity("id")] }
    const before = declared({ id: Schema.String, s: Struct({ x: Finite }) }, options)
    const after = declared(
      { sensor: Schema.String, place: Struct({ x: Finite }) },
      { key: "sensor", partitionBy: [Partition.identity("sensor")], renames: { sensor: "id", place: "s" } }
    )
    const applied = given(before)
      .when(after)
      .thenChanges("rename sensor: renamed from id", "rename place: renamed from s")
    assert.deepStrictEqual(applied.ids, { id: 1, sensor: 1, s: 2, place: 2, "place.x": 3 })
    given(before, after).when(after).thenChanges()
  })

  it("another description, and another order of columns, which is no change", () => {
    const doc = { description: "d" }
    given(declared({ a: Finite, b: Finite }))
      .when(declared({ b: Finite, a: Finite }))
      .thenChanges()
    given(one(Finite))
      .when(one(Finite.annotate(doc)))
      .thenChanges("change c: another description")
  })
})

describe("refused, with what to do", () => {
  it("a required column or field more", () => {
    given(one(Finite))
      .when(declared({ a: Schema.String, c: Finite, n: Finite }))
      .thenRefuses("n", /must be optional.*optionalKey/)
    given(one(Struct({ x: Finite })))
      .when(one(Struct({ x: Finite, y: Finite })))
      .thenRefuses("c.y", /must be optional/)
    given(one(NullOr(Finite)))
      .when(one(Finite))
      .thenRefuses("c", /was optional and must stay so/)
  })

  it("every other change of a type", () => {
    const pairs: Array<[Schema.Top, Schema.Top]> = [
      [Column.long, Column.int],
      [Finite, Column.float],
      [Column.int, Finite],
      [Schema.String, Column.uuid],
      [Schema.String, Column.json],
      [Column.timestamp, Column.timestamptz],
      [Column.decimal(12, 2), Column.decimal(9, 2)],
      [Column.decimal(12, 2), Column.decimal(13, 3)],
      [Finite, Schema.Array(Finite)],
      [Struct({ x: Finite }), Schema.Record(Schema.String, Finite)]
    ]
    for (const [from, to] of pairs)
      given(one(from))
        .when(one(to))
        .thenRefuses("c", /type cannot change from .* declare a new/)
  })

  it("stricter rules, or rules that cannot be compared", () => {
    const pairs: Array<[Schema.Top, Schema.Top, RegExp]> = [
      [text(Schema.isMinLength(1)), text(Schema.isMinLength(2)), /^minLength cannot become stricter/],
      [Schema.String, text(Schema.isMaxLength(2)), /^maxLength/],
      [text(Schema.isPattern(/a/)), text(Schema.isPattern(/b/)), /^pattern/],
      [Schema.String, Schema.Literals(["a"]), /^literals/],
      [Schema.Literals(["a", "b"]), Schema.Literals(["b"]), /^literals/],
      [Finite.check(Schema.isGreaterThanOrEqualTo(1)), Finite.check(Schema.isGreaterThan(1)), /^minimum/],
      [Column.int.check(Schema.isMultipleOf(3)), Column.int.check(Schema.isMultipleOf(2)), /^multipleOf/],
      [Column.decimal(38, 1), Column.decimal(38, 1, { minimum: "0" }), /^minimum/],
      [Schema.Array(NullOr(Finite)), Schema.Array(Finite), /null and must stay so/]
    ]
    for (const [from, to, sentence] of pairs) given(one(from)).when(one(to)).thenRefuses("c", sentence)
  })

  it("a name that a column had before, removed or renamed", () => {
    const both = declared({ a: Schema.String, c: optionalKey(Finite) })
    const without = declared({ a: Schema.String })
    given(both, without)
      .when(both)
      .thenRefuses("c", /had this name before.*another name/)
    const renamed = declared({ b: Schema.String }, { renames: { b: "a" } })
    given(without, renamed)
      .when(declared({ b: Schema.String, a: optionalKey(Finite) }))
      .thenRefuses("a", /had this name before/)
    given(one(Struct({ x: Finite, y: Finite })), one(Struct({ x: Finite })))
      .when(one(Struct({ x: Finite, y: optionalKey(Finite) })))
      .thenRefuses("c.y", /had this name before/)
  })

  it("an alias of nothing, another key, other partitions", () => {
    const plain = declared({ a: Schema.String, b: Schema.String })
    const fields = { a: Schema.String, b: Schema.String }
    given(plain)
      .when(declared({ ...fields, n: optionalKey(Finite) }, { renames: { n: "nothing" } }))
      .thenRefuses("n", /renamed from nothing, which/)
    given(plain)
      .when(declared(fields, { key: "a" }))
      .thenRefuses("", /the key cannot change \(it is none\)/)
    given(plain)
      .when(declared(fields, { partitionBy: [Partition.identity("b")] }))
      .thenRefuses("", /partitions .* new stream/)
  })
})
