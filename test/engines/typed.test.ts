/** Other engines read typed tables that Floe wrote: every value, and with filters on every type exactly its rows. */
import { dirname } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as TableSpec from "../../layers/table/schema/TableSpec.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import type { AppliedStream, Column, ColumnType, PartitionField } from "../../services/StreamDefinition.ts"
import { environment, maintainAll, openWriter } from "../support/icebergTable.ts"
import { parityColumns, parityValues } from "../support/parity.ts"
import {
  applied,
  type Event,
  edgeEvents,
  edges,
  nestedColumns,
  primitiveColumns,
  timeColumn
} from "../support/typedStream.ts"
import { Engines, layer as engines } from "./engines.ts"

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value)

/** Rows in a stable order, and the keys of maps in theirs. */
const inOrder = (rows: ReadonlyArray<unknown>) =>
  rows
    .map((row) =>
      JSON.stringify(row, (_, value) =>
        isObject(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value
      )
    )
    .sort()

const bits = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes.toString("hex")
}

/** A value as the engines' process answers it. */
const answered = (column: ColumnType, value: unknown): unknown => {
  if (value === null || value === undefined) return null
  switch (column.type) {
    case "struct":
      return answeredFields(column.fields, new Map(Object.entries(value)))
    case "list":
      return Array.isArray(value) ? value.map((one) => answered(column.element, one)) : value
    case "map":
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, answered(column.value, one)]))
    case "float":
    case "double":
      return bits(Number(value))
    case "boolean":
      return value
    case "timestamptz":
    case "accepted":
      return String(value).replace("Z", "")
    default:
      return column.type.startsWith("decimal") ? String(value).replace(/0+$/, "").replace(/\.$/, "") : String(value)
  }
}

const answeredFields = (columns: ReadonlyArray<Column>, values: ReadonlyMap<string, unknown>) =>
  Object.fromEntries(columns.map((column) => [column.name, answered(column, values.get(column.name))]))

const answeredRows = (columns: ReadonlyArray<Column>, events: ReadonlyArray<Event>) =>
  events.map((event) => Object.values(answeredFields(columns, new Map(Object.entries(event)))))

const write = Effect.fnUntraced(function* (stream: AppliedStream, events: ReadonlyArray<Event>, each = true) {
  const tableFolder = (yield* DataFolder).tableAt(stream.definition.name)
  const writer = yield* openWriter({ tableFolder, spec: TableSpec.make(stream) })
  const pieces = each ? events.map((event) => [event]) : [events]
  for (const [i, piece] of pieces.entries()) {
    yield* writer.stage(piece.map((event) => JSON.stringify(event)))
    yield* writer.commit({ logId: "a-log", offset: i + 1 })
  }
  return tableFolder
}, Effect.scoped)

const compact = Effect.fnUntraced(function* (stream: AppliedStream, tableFolder: string) {
  yield* maintainAll(yield* openWriter({ tableFolder, spec: TableSpec.make(stream) }))
}, Effect.scoped)

const primitive = (column: Column) => {
  const names: Readonly<Record<string, string>> = { json: "string", accepted: "timestamptz" }
  return names[column.type] ?? column.type
}

const duckValue = (type: string) => {
  const names: Readonly<Record<string, string>> = { int: "INTEGER", long: "BIGINT", string: "VARCHAR", binary: "BLOB" }
  return type === "binary" ? "from_base64(?)" : `CAST(? AS ${names[type] ?? type})`
}

/** DuckDB's client for Python gives no timestamps with a time zone. */
const duckColumns = (columns: ReadonlyArray<Column>) =>
  columns
    .map((column) =>
      primitive(column) === "timestamptz" ? `strftime("${column.name}", '%Y-%m-%dT%H:%M:%S.%f')` : `"${column.name}"`
    )
    .join(", ")

/** Python has no local time in the year 1. */
const sparkColumns = (columns: ReadonlyArray<Column>) =>
  columns
    .map((column) =>
      primitive(column).startsWith("timestamp")
        ? `date_format(${column.name}, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS")`
        : `\`${column.name}\``
    )
    .join(", ")

const sparkValue = (type: string) => {
  const names: Readonly<Record<string, string>> = {
    long: "BIGINT",
    timestamptz: "TIMESTAMP",
    timestamp: "TIMESTAMP_NTZ",
    uuid: "STRING"
  }
  return type === "binary" ? "unbase64(:value)" : `CAST(:value AS ${names[type] ?? type})`
}

/** The events that a comparison with the edge at `index` keeps. */
const kept = (events: ReadonlyArray<Event>, name: string, is: "=" | "<" | ">=", index: number) =>
  events.flatMap((event, row) => {
    if (event[name] === undefined) return []
    const at = edges[name]?.indexOf(event[name]) ?? -1
    const fits = is === "=" ? at === index : is === "<" ? at < index : at >= index
    return fits ? [String(row)] : []
  })

/** Of these versions of the engines; with each, the report of the fault. */
const faults = {
  /** Reads a null list of structs as an empty one: iceberg-python#3833. */
  pyicebergNullLists: "items",
  /** Iceberg 1.9.2 compares uuids with bytes: iceberg#14027. */
  sparkUuids: "uuid",
  /** Prunes by other hashes of uuids (duckdb-iceberg#1325), by months of 30 days (duckdb-iceberg#699), and by days that begin after 1970. */
  duckdbPartitions: ["bucket uuid", "month date", "day local"],
  /** Looks for the day before. */
  pyicebergFirstDay: "0001-01-01",
  /** The multiple below the least long is out of range: no two engines agree on its partition. */
  truncate: { column: "long", value: "-9223372036854775808" }
}

const numbered: Column = { name: "row", type: "int", required: true }

const checkFilters = Effect.fnUntraced(function* (
  warehouse: string,
  stream: AppliedStream,
  events: ReadonlyArray<Event>,
  columns: ReadonlyArray<Column>,
  withSpark: boolean
) {
  const isTruncated = stream.definition.partitionBy.some((field) => field.column === faults.truncate.column)
  const isFaulty = ({ column, transform }: PartitionField) => faults.duckdbPartitions.includes(`${transform} ${column}`)
  const faulty = stream.definition.partitionBy.filter(isFaulty).map(({ column }) => column)
  const { exactDuckdb, exactPyiceberg, exactSpark } = yield* Engines
  const { name } = stream.definition
  const table = `${warehouse}/default/${name}`
  for (const column of columns) {
    const type = primitive(column)
    const named = (label: string) => Effect.mapError((error: Error) => new Error(`${label}: ${error.message}`))
    for (const [index, value] of (edges[column.name] ?? []).entries()) {
      if (isTruncated && column.name === faults.truncate.column && value === faults.truncate.value) continue
      for (const is of ["=", "<", ">="] as const) {
        const expected = kept(events, column.name, is, index)
        const label = `${column.name} ${is} ${JSON.stringify(value).slice(0, 60)}`
        const rowsIn = (rows: ReadonlyArray<ReadonlyArray<unknown>>) => rows.map(([row]) => String(row)).sort()
        if (!faulty.includes(column.name)) {
          const byDuckdb = yield* exactDuckdb(
            `SELECT row FROM iceberg_scan('${table}') WHERE "${column.name}" ${is} ${duckValue(type)}`,
            String(value)
          ).pipe(named(`DuckDB: ${label}`))
          assert.deepStrictEqual(rowsIn(byDuckdb.rows), expected.toSorted(), `DuckDB: ${label}`)
        }
        const isBeforeTime = is !== "=" && String(value).startsWith(faults.pyicebergFirstDay)
        if (!isBeforeTime && (type !== "boolean" || is === "=")) {
          const byPyiceberg = yield* exactPyiceberg(table, {
            where: { column: column.name, is, value },
            columns: ["row"]
          }).pipe(named(`pyiceberg: ${label}`))
          assert.deepStrictEqual(rowsIn(byPyiceberg.rows), expected.toSorted(), `pyiceberg: ${label}`)
        }
        if (withSpark && is !== "<" && column.name !== faults.sparkUuids) {
          const bySpark = yield* exactSpark(
            warehouse,
            `SELECT row FROM ${name} WHERE \`${column.name}\` ${is} ${sparkValue(type)}`,
            String(value)
          )
          assert.deepStrictEqual(rowsIn(bySpark.rows), expected.toSorted(), `Spark: ${label}`)
        }
      }
    }
  }
})

const Live = Layer.merge(engines, environment)
const forSpark = [...primitiveColumns, ...nestedColumns]
const columns = [...forSpark, timeColumn]

layer(Live, { timeout: 600_000 })("typed tables that Floe wrote", (it) => {
  it.effect("pyiceberg, DuckDB and Spark read every value, before and after compaction", () =>
    Effect.gen(function* () {
      const { exactDuckdb, exactPyiceberg, exactSpark } = yield* Engines
      for (const [name, some] of [
        ["typed", columns],
        ["sparkling", forSpark]
      ] as const) {
        const stream = applied(name, some)
        const events = edgeEvents(some)
        const table = yield* write(stream, events)
        const expected = inOrder(answeredRows(some, events))
        const emptied = events.map((event) => ({ [faults.pyicebergNullLists]: [], ...event }))
        const check = Effect.gen(function* () {
          assert.deepStrictEqual(
            inOrder((yield* exactPyiceberg(table)).rows),
            inOrder(answeredRows(some, emptied)),
            "pyiceberg"
          )
          assert.deepStrictEqual(
            inOrder((yield* exactDuckdb(`SELECT ${duckColumns(some)} FROM iceberg_scan('${table}')`)).rows),
            expected,
            "DuckDB"
          )
          if (name === "typed") return
          const bySpark = yield* exactSpark(dirname(dirname(table)), `SELECT ${sparkColumns(some)} FROM ${name}`)
          assert.deepStrictEqual(inOrder(bySpark.rows), expected, "Spark")
        })
        yield* check
        yield* compact(stream, table)
        yield* check
      }
    })
  )

  it.effect("pyiceberg reads the values that the doors of both profiles take", () =>
    Effect.gen(function* () {
      const { exactPyiceberg } = yield* Engines
      const taken = parityValues.flatMap(
        ({ column, canonical }): ReadonlyArray<Event> =>
          canonical === null || canonical === "" ? [] : [{ [column]: JSON.parse(canonical) }]
      )
      const table = yield* write(applied("parity", parityColumns), taken, false)
      // Its fault above, with the list of structs of this stream.
      const emptied = taken.map((event) => ({ ls: [], ...event }))
      assert.deepStrictEqual(
        inOrder((yield* exactPyiceberg(table)).rows),
        inOrder(answeredRows(parityColumns, emptied))
      )
    })
  )

  it.effect("filters on every type find exactly their rows", () =>
    Effect.gen(function* () {
      const numberedRows = (some: ReadonlyArray<Column>) => edgeEvents(some).map((event, row) => ({ row, ...event }))
      const stream = applied("filtered", [numbered, ...primitiveColumns])
      const events = numberedRows(primitiveColumns)
      const table = yield* write(stream, events)
      yield* checkFilters(dirname(dirname(table)), stream, events, primitiveColumns, true)
      const times = applied("times", [numbered, timeColumn])
      const timed = numberedRows([timeColumn])
      yield* write(times, timed)
      yield* checkFilters(dirname(dirname(table)), times, timed, [timeColumn], false)
    })
  )

  it.effect("filters on partitioned columns find exactly their rows", () =>
    Effect.gen(function* () {
      const by: ReadonlyArray<ReadonlyArray<PartitionField>> = [
        [
          { column: "at", transform: "hour" },
          { column: "uuid", transform: "bucket", width: 3 },
          { column: "text", transform: "truncate", width: 3 }
        ],
        [
          { column: "price", transform: "identity" },
          { column: "date", transform: "month" },
          { column: "long", transform: "truncate", width: 10 }
        ],
        [
          { column: "local", transform: "day" },
          { column: "bytes", transform: "identity" },
          { column: "huge", transform: "bucket", width: 5 },
          { column: "received", transform: "year" }
        ]
      ]
      for (const [i, partitionBy] of by.entries()) {
        const stream = applied(`parted${i}`, [numbered, ...primitiveColumns], partitionBy)
        const { column, value } = faults.truncate
        const events = edgeEvents(primitiveColumns)
          .filter((event) => event[column] !== value)
          .map((event, row) => ({ row, ...event }))
        const table = yield* write(stream, events, false)
        const sources = primitiveColumns.filter(({ name }) => partitionBy.some(({ column }) => column === name))
        yield* checkFilters(dirname(dirname(table)), stream, events, sources, true)
      }
    })
  )

  it.effect("old and new files of a stream that changed are read alike, also after compaction", () =>
    Effect.gen(function* () {
      const { exactDuckdb, exactPyiceberg, exactSpark } = yield* Engines
      const before = applied("changing", [
        { name: "n", type: "int", required: false },
        { name: "x", type: "float", required: false },
        { name: "price", type: "decimal(9,2)", required: false },
        { name: "kind", type: "string", required: false },
        { name: "old", type: "string", required: false },
        { name: "place", type: "struct", required: false, fields: [{ name: "lat", type: "int", required: false }] }
      ])
      const columns: ReadonlyArray<Column> = [
        { name: "n", type: "long", required: false },
        { name: "x", type: "double", required: false },
        { name: "price", type: "decimal(18,2)", required: false },
        { name: "category", type: "string", required: false, renamedFrom: "kind" },
        {
          name: "place",
          type: "struct",
          required: false,
          fields: [
            { name: "lat", type: "long", required: false },
            { name: "code", type: "binary", required: false }
          ]
        },
        { name: "note", type: "string", required: false }
      ]
      const after = applied("changing", columns, [], before)
      const old = { n: -2147483648, x: 1.5, price: "-9999999.99", kind: "a", old: "gone", place: { lat: -1 } }
      const young = {
        n: "9223372036854775807",
        x: 0.1,
        price: "9999999999999999.99",
        category: "b",
        place: { lat: "3000000000", code: "AP8=" },
        note: "new"
      }
      const table = yield* write(before, [old])
      yield* write(after, [young, old])
      const kept = { n: old.n, x: old.x, price: old.price, category: "a", place: old.place }
      const expected = inOrder(answeredRows(columns, [kept, young, kept]))
      const warehouse = dirname(dirname(table))
      const check = Effect.gen(function* () {
        const answers = {
          pyiceberg: yield* exactPyiceberg(table),
          DuckDB: yield* exactDuckdb(`SELECT * FROM iceberg_scan('${table}')`),
          Spark: yield* exactSpark(warehouse, "SELECT * FROM changing")
        }
        for (const [engine, { rows }] of Object.entries(answers))
          assert.deepStrictEqual(inOrder(rows), expected, engine)
        const where = { column: "category", is: "=", value: "a" } as const
        assert.lengthOf((yield* exactPyiceberg(table, { where, columns: ["n"] })).rows, 2)
        assert.lengthOf((yield* exactSpark(warehouse, "SELECT n FROM changing WHERE category = 'a'")).rows, 2)
        assert.lengthOf((yield* exactSpark(warehouse, "SELECT n FROM changing WHERE n < 0")).rows, 2)
        assert.lengthOf((yield* exactDuckdb(`SELECT n FROM iceberg_scan('${table}') WHERE price < 0`)).rows, 2)
      })
      yield* check
      yield* compact(after, table)
      yield* check
    })
  )
})
