/** A stream with a column of every type, and events in canonical form with the values at the edges of each. */
import { assignIds } from "../../layers/declaration/assignIds.ts"
import type { AppliedStream, Column, PartitionField } from "../../services/StreamDefinition.ts"

/** A version with ids as `apply` gives them; it keeps those of `before`, an earlier one. */
export const applied = (
  name: string,
  columns: ReadonlyArray<Column>,
  partitionBy: ReadonlyArray<PartitionField> = [],
  before?: AppliedStream
): AppliedStream => {
  const ids: Record<string, number> = Object.assign(Object.create(null), before?.ids)
  for (const column of columns) {
    const former = column.renamedFrom === undefined ? undefined : ids[column.renamedFrom]
    if (former !== undefined) ids[column.name] = former
  }
  const version = (before?.version ?? 0) + 1
  const definition = { name, columns, key: null, partitionBy }
  return { definition, version, ...assignIds(definition, { ids, lastId: before?.lastId ?? 0 }), appliedAt: 0 }
}

const optional = { required: false } as const

/** Of every primitive type; `time` is apart, because Spark cannot read a table that has one. */
export const primitiveColumns: ReadonlyArray<Column> = [
  { name: "boolean", type: "boolean", ...optional },
  { name: "int", type: "int", ...optional },
  { name: "long", type: "long", ...optional },
  { name: "float", type: "float", ...optional },
  { name: "double", type: "double", ...optional },
  { name: "price", type: "decimal(9,2)", ...optional },
  { name: "amount", type: "decimal(18,4)", ...optional },
  { name: "huge", type: "decimal(38,10)", ...optional },
  { name: "date", type: "date", ...optional },
  { name: "at", type: "timestamptz", ...optional },
  { name: "local", type: "timestamp", ...optional },
  { name: "text", type: "string", ...optional },
  { name: "uuid", type: "uuid", ...optional },
  { name: "bytes", type: "binary", ...optional },
  { name: "any", type: "json", ...optional },
  { name: "received", type: "accepted", ...optional }
]

export const nestedColumns: ReadonlyArray<Column> = [
  {
    name: "place",
    type: "struct",
    ...optional,
    fields: [
      { name: "lat", type: "double", required: true },
      { name: "code", type: "binary", ...optional },
      { name: "inner", type: "struct", ...optional, fields: [{ name: "day", type: "date", ...optional }] }
    ]
  },
  { name: "tags", type: "list", ...optional, element: { type: "string" }, nullable: true },
  { name: "blobs", type: "list", ...optional, element: { type: "binary" }, nullable: true },
  {
    name: "items",
    type: "list",
    ...optional,
    nullable: true,
    element: {
      type: "struct",
      fields: [
        { name: "sku", type: "string", ...optional },
        { name: "each", type: "decimal(12,2)", ...optional },
        { name: "raw", type: "binary", ...optional }
      ]
    }
  },
  { name: "counts", type: "map", ...optional, value: { type: "long" }, nullable: true },
  { name: "parts", type: "map", ...optional, value: { type: "binary" }, nullable: true }
]

export type Event = Readonly<Record<string, unknown>>

const long = (text: string) => text.repeat(Math.ceil((1024 * 1024) / text.length)).slice(0, 1024 * 1024)

/** Ascending. Each in canonical form. */
export const edges: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  boolean: [false, true],
  int: [-2147483648, -1, 0, 1, 2147483647],
  long: ["-9223372036854775808", "-1", "0", "9007199254740993", "9223372036854775807"],
  float: [-3.4028234663852886e38, -1.5, 0, 1.401298464324817e-45, 0.10000000149011612, 3.4028234663852886e38],
  double: [-1.7976931348623157e308, -1e-300, 0, 5e-324, 0.1, 9007199254740992, 1.7976931348623157e308],
  price: ["-9999999.99", "-0.01", "0.00", "0.10", "9999999.99"],
  amount: ["-99999999999999.9999", "0.0001", "99999999999999.9999"],
  huge: [
    "-9999999999999999999999999999.9999999999",
    "-0.0000000001",
    "0.0000000000",
    "12345678901234567890.0123456789",
    "9999999999999999999999999999.9999999999"
  ],
  date: ["0001-01-01", "1969-12-31", "1970-01-01", "2026-11-27", "9999-12-31"],
  time: ["00:00:00.000000", "10:11:12.123456", "23:59:59.999999"],
  at: [
    "0001-01-01T00:00:00.000000Z",
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00.000000Z",
    "2026-11-27T10:11:12.123456Z",
    "9999-12-31T23:59:59.999999Z"
  ],
  local: [
    "0001-01-01T00:00:00.000000",
    "1969-12-31T23:59:59.999999",
    "2026-11-27T10:11:12.100000",
    "9999-12-31T23:59:59.999999"
  ],
  text: [
    "",
    "\u0000",
    "a",
    "a\u0000b",
    `${"a".repeat(15)}é and more`,
    long("ab"),
    "b'\"\\\n\t",
    "\ud7ff\ue000",
    "\ufeffmark",
    "\uffff".repeat(17),
    "😀".repeat(20),
    "\u{10ffff}".repeat(20)
  ],
  uuid: [
    "00000000-0000-0000-0000-000000000000",
    "018f14e4-5fce-7a46-9f9f-0a5e8f3d6a1b",
    "7fffffff-ffff-ffff-ffff-ffffffffffff",
    "80000000-0000-0000-0000-000000000000",
    "8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c",
    "ffffffff-ffff-ffff-ffff-ffffffffffff"
  ],
  bytes: ["", "AA==", "AAE=", Buffer.alloc(40, 0xfe).toString("base64"), Buffer.alloc(40, 0xff).toString("base64")],
  any: ['"2026-11-27"', "1", "12345678901234567890123", "[1,null]", "null", '{"a":{"b":[]}}'],
  received: ["2026-11-27T10:11:12.000000Z", "2026-11-27T10:11:13.123000Z"]
}

const nestedEdges: Readonly<Record<string, ReadonlyArray<unknown>>> = {
  place: [{ lat: 1.5, code: "//8=", inner: { day: "1969-12-31" } }, { lat: -0.5, inner: {} }, { lat: 0 }],
  tags: [[], [null], ["a", null, "", "😀\u0000\ufeff"], ["2026-01-01", "12345678901234567890"]],
  blobs: [[], [null, "", "AP8="]],
  items: [[], [null], [{ sku: "x", each: "0.10", raw: "AA==" }, {}, { each: "-9999999999.99" }]],
  counts: [{}, { a: "9223372036854775807", "": null, 'k.\u0000"😀': "-1" }],
  parts: [{}, { p: "AP8=", q: null, r: "" }]
}

/** As many events as the column with the most edges needs; columns with fewer repeat theirs, and each is absent once. */
export const edgeEvents = (columns: ReadonlyArray<Column>): ReadonlyArray<Event> => {
  const values = columns.map(({ name }) => [name, [...(edges[name] ?? nestedEdges[name] ?? []), undefined]] as const)
  const most = Math.max(...values.map(([, some]) => some.length))
  return Array.from({ length: most }, (_, i) =>
    Object.fromEntries(
      values.flatMap(([name, some]) => {
        const value = some[i % some.length]
        return value === undefined ? [] : [[name, value]]
      })
    )
  )
}

export const timeColumn: Column = { name: "time", type: "time", ...optional }
