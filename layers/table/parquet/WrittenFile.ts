/** A Parquet file that Floe has written, with the statistics that manifests need. */
import { Effect, Schema } from "effect"
import { named } from "../schema/duckTypes.ts"
import { type Leaf, leavesOf } from "../schema/fields.ts"
import { fromTexts, keyOf, type Partition } from "../schema/partitionKey.ts"
import * as SingleValue from "../schema/singleValue.ts"
import type { TableSpec } from "../schema/TableSpec.ts"

export interface ColumnStatistics {
  /** The field id. */
  readonly id: number
  readonly type: string
  readonly bytes: number
  readonly values: number
  readonly nulls: number
  /** The smallest and the greatest value; absent if there is none, or if either is long. */
  readonly min: SingleValue.Value | undefined
  readonly max: SingleValue.Value | undefined
}

export interface WrittenFile {
  readonly path: string
  readonly partition: Partition
  /** The key of the partition. */
  readonly key: string
  readonly rows: number
  readonly bytes: number
  /** Of the fields that are not within lists and maps, in the order of the table's columns. */
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
      partition_keys: Schema.NullOr(pairs(Schema.NullOr(Schema.String)))
    })
  )
)
type Copied = Effect.Success<ReturnType<typeof decodeCopied>>[number]

const statisticsOf = (copied: Copied, { id, path, type }: Leaf): ColumnStatistics => {
  const name = path.map(named).join(".")
  const statistics = copied.column_statistics.find(({ key }) => key === name)
  const values = Object.fromEntries(statistics?.value.map(({ key, value }) => [key, value]) ?? [])
  const parsed = (text: string | undefined) => (text === undefined ? undefined : SingleValue.parse(type, text))
  return {
    id,
    type,
    bytes: Number(values.column_size_bytes ?? 0),
    values: Number(values.num_values ?? copied.count),
    nulls: Number(values.null_count ?? 0),
    min: parsed(values.min),
    max: parsed(values.max)
  }
}

/** A file that a COPY has written, before the values of its partition are known. */
export interface CopiedFile {
  readonly path: string
  /** By folder name. */
  readonly texts: ReadonlyMap<string, string | null>
  readonly in: (texts: ReadonlyMap<string, string | null>) => WrittenFile
}

/** The files that a COPY with RETURN_STATS reports. */
export const decode = (spec: TableSpec, rows: unknown) => {
  const leaves = leavesOf(spec.schema.fields)
  return Effect.map(decodeCopied(rows), (copied) =>
    copied.map(
      (one): CopiedFile => ({
        path: one.filename,
        texts: new Map(one.partition_keys?.map(({ key, value }) => [key, value])),
        in: (texts) => {
          const partition = fromTexts(spec, texts)
          return {
            path: one.filename,
            partition,
            key: keyOf(spec, partition),
            rows: one.count,
            bytes: one.file_size_bytes,
            columns: leaves.map((leaf) => statisticsOf(one, leaf))
          }
        }
      })
    )
  )
}
