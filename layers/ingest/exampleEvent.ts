import type { Column, ColumnType } from "../../services/StreamDefinition.ts"

const values: Readonly<Record<string, unknown>> = {
  boolean: true,
  int: 1,
  long: 1,
  float: 1.5,
  double: 1.5,
  date: "2026-11-27",
  time: "10:11:12",
  timestamp: "2026-11-27T10:11:12",
  timestamptz: "2026-11-27T10:11:12Z",
  string: "text",
  uuid: "8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c",
  binary: "AQID",
  json: {}
}

const exampleOf = (column: ColumnType): unknown => {
  switch (column.type) {
    case "struct":
      return exampleEvent(column.fields)
    case "list":
      return [exampleOf(column.element)]
    case "map":
      return { key: exampleOf(column.value) }
    default:
      return column.rules?.oneOf?.[0] ?? column.rules?.minimum ?? values[column.type] ?? "1"
  }
}

/** An event with the required columns. It keeps their types, but not every rule, for example a pattern. */
export const exampleEvent = (columns: ReadonlyArray<Column>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    columns.flatMap((column) =>
      column.required && column.type !== "accepted" ? [[column.name, exampleOf(column)]] : []
    )
  )
