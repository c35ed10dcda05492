/** Reads a table's columns, partitioning, location and properties. */
import { Effect, Option, Schema } from "effect"
import type { TableDescription } from "../../../services/TableReader.ts"
import { TableUnavailable } from "../../../services/TableWriter.ts"
import { parseShowCreate, texts } from "./parseShowCreate.ts"
import * as Rows from "./rows.ts"

const builtIn = ["format", "provider", "current-snapshot-id", "location", "format-version"]

const CreateStatement = Schema.Tuple([Schema.String])
const Column = Schema.Tuple([Schema.String, Schema.String, Schema.Literals(["YES", "NO"])])
const Property = Schema.Tuple([Schema.String, Schema.NullOr(Schema.String)])
const decodeVersion = Schema.decodeUnknownOption(Rows.Whole)

export const read = Effect.fn("Description.read")(function* (table: string) {
  const operation = "describing it"
  const rows = <A>(row: Schema.Codec<A, unknown>, sql: string) => Rows.all({ table, operation, row }, sql)
  const [[shown] = [""]] = yield* rows(CreateStatement, `SHOW CREATE TABLE iceberg.default."${table}"`)
  const properties = new Map(yield* rows(Property, `SELECT key, value FROM ${Rows.metadataTable(table, "properties")}`))
  const columns = yield* rows(
    Column,
    `SELECT column_name, data_type, is_nullable FROM iceberg.information_schema.columns
WHERE table_schema = 'default' AND table_name = ${Rows.literal(table)} ORDER BY ordinal_position`
  )
  const location = properties.get("location")
  const formatVersion = decodeVersion(properties.get("format-version"))
  if (location == null || Option.isNone(formatVersion)) {
    const reason = "Trino did not report its location and format, which is a bug in Floe"
    return yield* new TableUnavailable({ operation, reason, cause: properties })
  }
  const description: TableDescription = {
    name: `default.${table}`,
    location,
    formatVersion: formatVersion.value,
    columns: columns.map(([name, type, nullable]) => ({ name, type, required: nullable === "NO" })),
    partitioning: texts(parseShowCreate(shown).properties.get("partitioning") ?? ""),
    properties: Object.fromEntries(
      properties.entries().flatMap(([key, value]) => (value === null || builtIn.includes(key) ? [] : [[key, value]]))
    )
  }
  return description
})
