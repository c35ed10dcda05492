/** Stream definitions and canonical events of all types: generated ones, and a fixed one with values at the edges. */
import fc from "fast-check"
import { type Column, type ColumnType, primitives, type StreamDefinition } from "../../services/StreamDefinition.ts"

type JsonObject = Readonly<Record<string, unknown>>

const positive = (value: number) => (value === 0 ? 0 : value)
const pad = (value: number | bigint, digits: number) => String(value).padStart(digits, "0")

const millis = fc.integer({ min: -62135596800000, max: 253402300799999 })
const micros = fc.integer({ min: 0, max: 999 })
const local = fc.tuple(millis, micros).map(([at, more]) => {
  const date = new Date(at)
  const year = pad(date.getUTCFullYear(), 4)
  return `${year}${date.toISOString().slice(-20, -1)}${pad(more, 3)}`
})

const decimalText = (precision: number, scale: number) =>
  fc.bigInt({ min: -(10n ** BigInt(precision)) + 1n, max: 10n ** BigInt(precision) - 1n }).map((unscaled) => {
    const digits = pad(unscaled < 0n ? -unscaled : unscaled, scale + 1)
    const point = digits.length - scale
    return `${unscaled < 0n ? "-" : ""}${digits.slice(0, point)}${scale === 0 ? "" : `.${digits.slice(point)}`}`
  })

const text = fc.string({ unit: "binary", maxLength: 20 })
const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array).toString("base64"))

const primitiveValue = (type: string): fc.Arbitrary<unknown> => {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? []
  if (precision !== undefined && scale !== undefined) return decimalText(Number(precision), Number(scale))
  switch (type) {
    case "boolean":
      return fc.boolean()
    case "int":
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    case "long":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)
    case "float":
      return fc.float({ noNaN: true, noDefaultInfinity: true }).map(positive)
    case "double":
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map(positive)
    case "date":
      return local.map((at) => at.slice(0, 10))
    case "time":
      return local.map((at) => at.slice(11))
    case "timestamp":
      return local
    case "timestamptz":
    case "accepted":
      return local.map((at) => `${at}Z`)
    case "uuid":
      return fc.uuid()
    case "binary":
      return bytes
    case "json":
      return fc.json()
    default:
      return text
  }
}

/** Canonical values of a type, as JSON.parse gives them. */
const valueOf = (column: ColumnType): fc.Arbitrary<unknown> => {
  if (column.type === "struct") return eventOf(column.fields)
  if (column.type === "list") {
    const element = valueOf(column.element)
    return fc.array(column.nullable ? fc.option(element) : element, { maxLength: 4 })
  }
  if (column.type === "map") {
    const value = valueOf(column.value)
    return fc.dictionary(
      text.filter((key) => key !== "__proto__"),
      column.nullable ? fc.option(value) : value,
      { maxKeys: 4 }
    )
  }
  return primitiveValue(column.type)
}

/** Canonical events with these columns, in their order. */
export const eventOf = (columns: ReadonlyArray<Column>): fc.Arbitrary<JsonObject> =>
  fc
    .tuple(
      ...columns.map((column) => {
        const value = valueOf(column)
        return column.required ? value : fc.option(value, { nil: undefined })
      })
    )
    .map((values) =>
      Object.fromEntries(columns.flatMap(({ name }, i) => (values[i] === undefined ? [] : [[name, values[i]]])))
    )

const decimals = fc
  .integer({ min: 1, max: 38 })
  .chain((precision) =>
    fc
      .integer({ min: 0, max: precision })
      .map((scale): `decimal(${number},${number})` => `decimal(${precision},${scale})`)
  )
const primitive = fc.oneof(fc.constantFrom(...primitives, "json" as const), decimals)

const typeAt = (depth: number): fc.Arbitrary<ColumnType> => {
  const flat = primitive.map((type): ColumnType => ({ type }))
  if (depth === 0) return flat
  const inner = typeAt(depth - 1)
  return fc.oneof(
    { weight: 5, arbitrary: flat },
    { weight: 1, arbitrary: columnsAt(depth - 1, 3).map((fields): ColumnType => ({ type: "struct", fields })) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(inner, fc.boolean())
        .map(([element, nullable]): ColumnType => ({ type: "list", element, nullable }))
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(inner, fc.boolean())
        .map(([value, nullable]): ColumnType => ({ type: "map", value, nullable }))
    }
  )
}

const columnsAt = (depth: number, maxLength: number): fc.Arbitrary<ReadonlyArray<Column>> =>
  fc
    .array(fc.tuple(typeAt(depth), fc.boolean()), { minLength: 1, maxLength })
    .map((types) => types.map(([type, required], i): Column => ({ ...type, name: `c${i}`, required })))

/** The columns of a stream, nested up to three levels. */
export const someColumns = columnsAt(3, 6)

const column = (name: string, type: ColumnType, required = false): Column => ({ ...type, name, required })

/** A stream with a column of every type. */
export const everyType: StreamDefinition = {
  name: "every_type",
  columns: [
    column("id", { type: "long" }, true),
    column("b", { type: "boolean" }),
    column("i", { type: "int" }),
    column("f", { type: "float" }),
    column("d", { type: "double" }),
    column("money", { type: "decimal(12,2)" }),
    column("big", { type: "decimal(38,10)" }),
    column("day", { type: "date" }),
    column("clock", { type: "time" }),
    column("naive", { type: "timestamp" }),
    column("at", { type: "timestamptz" }),
    column("s", { type: "string" }),
    column("u", { type: "uuid" }),
    column("raw", { type: "binary" }),
    column("free", { type: "json" }),
    column("place", {
      type: "struct",
      fields: [
        column("lat", { type: "double" }, true),
        column("inner", { type: "struct", fields: [column("q", { type: "decimal(5,1)" })] })
      ]
    }),
    column("tags", { type: "list", element: { type: "string" }, nullable: true }),
    column("items", {
      type: "list",
      element: { type: "struct", fields: [column("sku", { type: "string" }, true), column("n", { type: "int" })] },
      nullable: false
    }),
    column("attributes", { type: "map", value: { type: "double" }, nullable: true }),
    column("received", { type: "accepted" }, true)
  ],
  key: "id",
  partitionBy: [{ column: "at", transform: "day" }]
}

const received = "2026-11-27T10:11:12.000000Z"

/** Canonical events of `everyType` at the edges of its types; the other columns are absent. */
export const edges: ReadonlyArray<JsonObject> = [
  {},
  { b: false, i: -2147483648, f: -3.4028234663852886e38, d: -1.7976931348623157e308, money: "-9999999999.99" },
  { b: true, i: 2147483647, f: 3.4028234663852886e38, d: 1.7976931348623157e308, money: "9999999999.99" },
  { f: 1.401298464324817e-45, d: 5e-324, money: "0.00", big: "-9999999999999999999999999999.9999999999" },
  { f: 0, d: 0, big: "9999999999999999999999999999.9999999999", money: "-0.01" },
  {
    day: "0001-01-01",
    clock: "00:00:00.000000",
    naive: "0001-01-01T00:00:00.000000",
    at: "0001-01-01T00:00:00.000000Z"
  },
  {
    day: "1969-12-31",
    clock: "23:59:59.999999",
    naive: "1969-12-31T23:59:59.999999",
    at: "1969-12-31T23:59:59.999999Z"
  },
  { day: "9999-12-31", naive: "9999-12-31T23:59:59.999999", at: "9999-12-31T23:59:59.999999Z" },
  { s: "", tags: [], items: [], attributes: {}, raw: "", place: { lat: 0 } },
  { s: '\u0000\ufeff 👩‍👩‍👧 \u{10ffff}\n"\\', tags: ["", null, "null", "NULL", "~", "a,b"], raw: "AP//" },
  { s: "\ufeff first", u: "00000000-0000-0000-0000-000000000000", free: '{"a":1.0,"b":[null]}' },
  { s: "x".repeat(100_000), u: "ffffffff-ffff-ffff-ffff-ffffffffffff", free: "null" },
  {
    s: "2026-11-27",
    tags: ["1", "true"],
    items: [{ sku: "a" }, { sku: "b", n: -1 }],
    attributes: { "": null, "b=": 1.5, a: -0.1 }
  },
  { s: "12345678901234567890", place: { lat: -89.999, inner: {} } },
  { place: { lat: 89.5, inner: { q: "9999.9" } } }
].map((event, id) => ({ id: String(id), ...event, received }))
