/** Converts DuckDB's values to JSON. */
import type { DuckDBValue, DuckDBValueConverter, Json } from "@duckdb/node-api"
import { DuckDBTimestampTZValue, DuckDBTypeId, JsonDuckDBValueConverter } from "../parquet/duckdb.ts"

/** 2026-01-08 14:05:06.25 → 2026-01-08T14:05:06.25; values that ISO 8601 cannot express (infinity, years BC) stay. */
const isoTimestamp = (value: DuckDBValue) =>
  String(value).replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(\.\d+)?)$/, "$1T$2")

const isoInstant = (micros: bigint) => {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = Number((micros - rest) / 1_000_000n)
  // A Date ends in the year 275760, a TIMESTAMPTZ in 294247.
  if (Math.abs(seconds) > 8.64e12) return undefined
  const fraction = rest === 0n ? "" : `.${String(rest).padStart(6, "0").replace(/0+$/, "")}`
  return new Date(seconds * 1000).toISOString().replace(".000Z", `${fraction}Z`)
}

const timestamps: ReadonlyArray<DuckDBTypeId> = [
  DuckDBTypeId.TIMESTAMP,
  DuckDBTypeId.TIMESTAMP_S,
  DuckDBTypeId.TIMESTAMP_MS,
  DuckDBTypeId.TIMESTAMP_NS
]

/** Decimals, integers of 64 bits or more, times and intervals become text; lists and structs nest; a map becomes a list of `{key, value}`. */
export const converter: DuckDBValueConverter<Json> = (value, type, nested) => {
  if (value === null || value === undefined) return null
  if (timestamps.includes(type.typeId)) return isoTimestamp(value)
  if (type.typeId === DuckDBTypeId.INTERVAL) return String(value)
  if (value instanceof DuckDBTimestampTZValue && value.isFinite) return isoInstant(value.micros) ?? String(value)
  return JsonDuckDBValueConverter(value, type, nested)
}
