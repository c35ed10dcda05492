/** A canonical value as an expression of Trino's SQL, written from the type alone. */
import type { Column, ColumnType } from "../../services/StreamDefinition.ts"

const text = (value: unknown) => `'${String(value).replaceAll("'", "''")}'`

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const primitive = (type: string, value: unknown): string => {
  switch (type) {
    case "boolean":
    case "int":
      return String(value)
    case "long":
      return `CAST(${text(value)} AS bigint)`
    case "float":
      return `CAST(${text(value)} AS real)`
    case "double":
      return `CAST(${text(value)} AS double)`
    case "date":
      return `DATE ${text(value)}`
    case "time":
      return `TIME ${text(value)}`
    case "timestamp":
      return `TIMESTAMP ${text(String(value).replace("T", " "))}`
    case "timestamptz":
    case "accepted":
      return `TIMESTAMP ${text(String(value).replace("T", " ").replace("Z", " UTC"))}`
    case "uuid":
      return `UUID ${text(value)}`
    case "binary":
      return `X'${Buffer.from(String(value), "base64").toString("hex")}'`
    case "string":
    case "json":
      return text(value)
    default:
      return `CAST(${text(value)} AS ${type})`
  }
}

const sqlType: Readonly<Record<string, string>> = {
  int: "integer",
  long: "bigint",
  float: "real",
  string: "varchar",
  json: "varchar",
  binary: "varbinary",
  time: "time(6)",
  timestamp: "timestamp(6)",
  timestamptz: "timestamp(6) with time zone",
  accepted: "timestamp(6) with time zone"
}

const sqlTypeOf = (column: ColumnType): string => {
  if (column.type === "struct")
    return `ROW(${column.fields.map((field) => `"${field.name}" ${sqlTypeOf(field)}`).join(", ")})`
  if (column.type === "list") return `array(${sqlTypeOf(column.element)})`
  if (column.type === "map") return `map(varchar, ${sqlTypeOf(column.value)})`
  return sqlType[column.type] ?? column.type
}

const bare = (column: ColumnType, value: unknown): string => {
  if (value === null || value === undefined) return "NULL"
  if (column.type === "struct") return `ROW(${column.fields.map((field) => bareField(field, value)).join(", ")})`
  if (column.type === "list") {
    return `ARRAY[${Array.isArray(value) ? value.map((one) => bare(column.element, one)).join(", ") : ""}]`
  }
  if (column.type === "map") {
    const entries = isObject(value) ? Object.entries(value) : []
    return `MAP(ARRAY[${entries.map(([key]) => text(key)).join(", ")}], ARRAY[${entries.map(([, one]) => bare(column.value, one)).join(", ")}])`
  }
  return primitive(column.type, value)
}

const bareField = (field: Column, parent: unknown) => bare(field, isObject(parent) ? parent[field.name] : undefined)

/** A row of `VALUES` with the values of an event in the order of the columns. */
export const rowLiteral = (columns: ReadonlyArray<Column>, event: Readonly<Record<string, unknown>>) =>
  `(${columns.map((column) => `CAST(${bare(column, event[column.name])} AS ${sqlTypeOf(column)})`).join(", ")})`
