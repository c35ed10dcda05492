/** Reads Parquet files with DuckDB alone, without manifests, as events in canonical form. */
import { DuckDBInstance } from "@duckdb/node-api"
import { Effect } from "effect"
import "../../layers/table/parquet/duckdb.ts"
import type { Column, ColumnType } from "../../services/StreamDefinition.ts"
import type { Event } from "./typedStream.ts"

const canonicalTime = (text: string) =>
  text.replace(/(\d\d:\d\d:\d\d)(?:\.(\d+))?/, (_, time, digits = "") => `${time}.${digits.padEnd(6, "0")}`)

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** From the JSON that DuckDB's client makes of a value. */
const canonical = (column: ColumnType, value: unknown): unknown => {
  if (value === null) return null
  switch (column.type) {
    case "struct":
      return isObject(value) ? eventOf(column.fields, value) : value
    case "list":
      return Array.isArray(value) ? value.map((one) => canonical(column.element, one)) : value
    case "map":
      return Array.isArray(value)
        ? Object.fromEntries(value.map(({ key, value }) => [key, canonical(column.value, value)]))
        : value
    case "timestamptz":
    case "accepted":
      return canonicalTime(String(value)).replace(" ", "T").replace("+00", "Z")
    case "timestamp":
      return canonicalTime(String(value)).replace(" ", "T")
    case "time":
      return canonicalTime(String(value))
    default:
      return value
  }
}

const eventOf = (columns: ReadonlyArray<Column>, row: Readonly<Record<string, unknown>>): Event =>
  Object.fromEntries(
    columns.flatMap((column) => {
      const value = canonical(column, row[column.name] ?? null)
      return value === null ? [] : [[column.name, value]]
    })
  )

const named = (name: string) => `"${name.replaceAll('"', '""')}"`

const base64 = (column: ColumnType, value: string): string => {
  if (column.type === "binary") return `to_base64(${value})`
  if (column.type === "list") return `list_transform(${value}, lambda __x: ${base64(column.element, "__x")})`
  if (column.type === "struct") {
    const fields = column.fields.map(
      (field) => `${named(field.name)} := ${base64(field, `${value}.${named(field.name)}`)}`
    )
    return `CASE WHEN ${value} IS NULL THEN NULL ELSE struct_pack(${fields.join(", ")}) END`
  }
  if (column.type === "map") {
    const entry = `struct_pack(k := __y.key, v := ${base64(column.value, "__y.value")})`
    return `map_from_entries(list_transform(map_entries(${value}), lambda __y: ${entry}))`
  }
  return value
}

/** The rows of a table's files, in any order. */
export const plainRows = (files: ReadonlyArray<string>, columns: ReadonlyArray<Column>) =>
  Effect.promise(async () => {
    const instance = await DuckDBInstance.create(":memory:")
    const connection = await instance.connect()
    try {
      await connection.run("SET TimeZone = 'UTC'")
      const listed = columns
        .map((column) => `${base64(column, named(column.name))} AS ${named(column.name)}`)
        .join(", ")
      const paths = files.map((path) => `'${path}'`).join(", ")
      const rows = await connection.runAndReadAll(
        `SELECT ${listed} FROM read_parquet([${paths}], hive_partitioning = false)`
      )
      return rows.getRowObjectsJson().map((row) => eventOf(columns, row))
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  })

/** In a stable order. */
export const inOrder = (events: ReadonlyArray<unknown>) => events.map((event) => JSON.stringify(event)).sort()
