import { assert, describe, it } from "@effect/vitest"
import { typeText } from "../../../layers/table/schema/fields.ts"
import * as TableSpec from "../../../layers/table/schema/TableSpec.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"

const stream: AppliedStream = {
  definition: {
    name: "orders",
    columns: [
      { name: "id", type: "uuid", required: true },
      { name: "at", type: "timestamptz", required: true, renamedFrom: "time" },
      { name: "price", type: "decimal(12,2)", required: false, doc: "In euros" },
      {
        name: "place",
        type: "struct",
        required: false,
        fields: [
          { name: "lat", type: "double", required: true },
          { name: "more", type: "json", required: false }
        ]
      },
      { name: "tags", type: "list", required: false, element: { type: "string" }, nullable: true },
      { name: "counts", type: "map", required: false, value: { type: "long" }, nullable: false },
      { name: "received", type: "accepted", required: true }
    ],
    key: null,
    partitionBy: [
      { column: "at", transform: "day" },
      { column: "id", transform: "bucket", width: 16 }
    ]
  },
  version: 2,
  ids: {
    id: 1,
    time: 2,
    at: 2,
    price: 3,
    place: 4,
    tags: 5,
    counts: 6,
    received: 7,
    "place.lat": 8,
    "place.more": 9,
    "tags.element": 10,
    "counts.key": 11,
    "counts.value": 12
  },
  lastId: 12,
  appliedAt: 0
}

describe("the table of a stream", () => {
  it("has the specification's schema, with the ids by path", () => {
    assert.deepStrictEqual(TableSpec.make(stream).schema, {
      type: "struct",
      "schema-id": 0,
      fields: [
        { id: 1, name: "id", required: false, type: "uuid" },
        { id: 2, name: "at", required: false, type: "timestamptz" },
        { id: 3, name: "price", required: false, type: "decimal(12,2)", doc: "In euros" },
        {
          id: 4,
          name: "place",
          required: false,
          type: {
            type: "struct",
            fields: [
              { id: 8, name: "lat", required: false, type: "double" },
              { id: 9, name: "more", required: false, type: "string" }
            ]
          }
        },
        {
          id: 5,
          name: "tags",
          required: false,
          type: { type: "list", "element-id": 10, element: "string", "element-required": false }
        },
        {
          id: 6,
          name: "counts",
          required: false,
          type: { type: "map", "key-id": 11, key: "string", "value-id": 12, value: "long", "value-required": false }
        },
        { id: 7, name: "received", required: false, type: "timestamptz" }
      ]
    })
  })

  it("has the specification's partition spec, and a name mapping with earlier names", () => {
    const { nameMapping, partitionSpec } = TableSpec.make(stream)
    assert.deepStrictEqual(partitionSpec.fields, [
      { name: "at_day", transform: "day", "source-id": 2, "field-id": 1000 },
      { name: "id_bucket", transform: "bucket[16]", "source-id": 1, "field-id": 1001 }
    ])
    assert.deepStrictEqual(nameMapping.slice(1, 5), [
      { "field-id": 2, names: ["at", "time"] },
      { "field-id": 3, names: ["price"] },
      {
        "field-id": 4,
        names: ["place"],
        fields: [
          { "field-id": 8, names: ["lat"] },
          { "field-id": 9, names: ["more"] }
        ]
      },
      { "field-id": 5, names: ["tags"], fields: [{ "field-id": 10, names: ["element"] }] }
    ])
  })

  it("is not partitioned by what Iceberg cannot partition by", () => {
    const by = (column: string, transform: "day" | "truncate" | "identity") => () =>
      TableSpec.make({ ...stream, definition: { ...stream.definition, partitionBy: [{ column, transform }] } })
    assert.throws(by("place", "identity"), "place, which is no single value")
    assert.throws(by("id", "day"), "id, which is no time, as day needs")
    assert.throws(by("tags", "truncate"), "tags, which is no single value")
    assert.throws(by("nothing", "identity"), "nothing, which is no column")
  })
})

it("types are shown with their nested types", () => {
  assert.deepStrictEqual(
    TableSpec.make(stream).schema.fields.map(({ name, type }) => `${name} ${typeText(type)}`),
    [
      "id uuid",
      "at timestamptz",
      "price decimal(12,2)",
      "place struct<lat: double, more: string>",
      "tags list<string>",
      "counts map<string, long>",
      "received timestamptz"
    ]
  )
})
