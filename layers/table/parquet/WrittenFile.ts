/** A Parquet file that Floe has written, with the statistics that manifests need. */
import { Effect, Schema } from "effect"
import { columns } from "../../../services/Weather.ts"

export interface ColumnStatistics {
  readonly bytes: number
  readonly values: number
  readonly nulls: number
  /** The smallest and the greatest value in UTF-8 order; absent if either is long. */
  readonly min: string | undefined
  readonly max: string | undefined
}

export interface WrittenFile {
  readonly path: string
  readonly ts: string
  readonly rows: number
  readonly bytes: number
  /** In the order of the table's columns. */
  readonly columns: ReadonlyArray<ColumnStatistics>
}

const pairs = <S extends Schema.Constraint>(value: S) => Schema.Array(Schema.Struct({ key: Schema.String, value }))
const Count = Schema.FiniteFromString.pipe(Schema.decodeTo(Schema.Int))
const decodeCopied = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      filename: Schema.String,
      count: Count,
      file_size_bytes: Count,
      column_statistics: pairs(pairs(Schema.String)),
      partition_keys: pairs(Schema.String)
    })
  )
)
type Copied = Effect.Success<ReturnType<typeof decodeCopied>>[number]

const statisticsOf = (copied: Copied, column: string): ColumnStatistics => {
  const statistics = copied.column_statistics.find(({ key }) => key === `"${column}"`)
  const values = Object.fromEntries(statistics?.value.map(({ key, value }) => [key, value]) ?? [])
  return {
    bytes: Number(values.column_size_bytes ?? 0),
    values: Number(values.num_values ?? copied.count),
    nulls: Number(values.null_count ?? 0),
    min: values.min,
    max: values.max
  }
}

const fromCopied = (copied: Copied): WrittenFile => ({
  path: copied.filename,
  ts: copied.partition_keys.find(({ key }) => key === "ts")?.value ?? "",
  rows: copied.count,
  bytes: copied.file_size_bytes,
  columns: columns.map((column) => statisticsOf(copied, column))
})

/** The files that a COPY with RETURN_STATS reports. */
export const decode = (rows: unknown) => Effect.map(decodeCopied(rows), (copied) => copied.map(fromCopied))
