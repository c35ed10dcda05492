/** The table's metadata file `v<N>.metadata.json`, Iceberg v2, in the specification's own names. */
import { Schema } from "effect"
import type { Progress } from "../../services/Table.ts"
import { columns } from "../../services/Weather.ts"

export const tableSchema = {
  type: "struct",
  "schema-id": 0,
  fields: columns.map((name, i) => ({ id: i + 1, name, required: false, type: "string" }))
}

export const partitionSpec = {
  "spec-id": 0,
  fields: [{ name: "ts", transform: "identity", "source-id": columns.indexOf("ts") + 1, "field-id": 1000 }]
}

const Count = Schema.FiniteFromString.pipe(Schema.decodeTo(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))))

/** Numbers are text in the file. */
const Summary = Schema.Struct({
  operation: Schema.Literals(["append", "replace", "overwrite"]),
  "added-data-files": Schema.optionalKey(Count),
  "added-records": Schema.optionalKey(Count),
  "added-files-size": Schema.optionalKey(Count),
  "deleted-data-files": Schema.optionalKey(Count),
  "deleted-records": Schema.optionalKey(Count),
  "removed-files-size": Schema.optionalKey(Count),
  "changed-partition-count": Count,
  "total-records": Count,
  "total-files-size": Count,
  "total-data-files": Count,
  "total-delete-files": Count,
  "total-position-deletes": Count,
  "total-equality-deletes": Count,
  "floe.log.id": Schema.String,
  "floe.log.offset": Count,
  "floe.log.last": Schema.optionalKey(Schema.String)
})
export type Summary = typeof Summary.Type

const Snapshot = Schema.Struct({
  "snapshot-id": Schema.Int,
  "parent-snapshot-id": Schema.optionalKey(Schema.Int),
  "sequence-number": Schema.Int,
  "timestamp-ms": Schema.Int,
  "manifest-list": Schema.String,
  summary: Summary,
  "schema-id": Schema.Int
})
export type Snapshot = typeof Snapshot.Type

const Field = Schema.Struct({ id: Schema.Int, name: Schema.String, required: Schema.Boolean, type: Schema.String })
const TableSchema = Schema.Struct({
  type: Schema.String,
  "schema-id": Schema.Int,
  fields: Schema.Array(Field)
})
const PartitionSpec = Schema.Struct({
  "spec-id": Schema.Int,
  fields: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      transform: Schema.String,
      "source-id": Schema.Int,
      "field-id": Schema.Int
    })
  )
})

export const TableMetadata = Schema.Struct({
  "format-version": Schema.Literal(2),
  "table-uuid": Schema.String,
  location: Schema.String,
  "last-sequence-number": Schema.Int,
  "last-updated-ms": Schema.Int,
  "last-column-id": Schema.Int,
  "current-schema-id": Schema.Int,
  schemas: Schema.Array(TableSchema),
  "default-spec-id": Schema.Int,
  "partition-specs": Schema.Array(PartitionSpec),
  "last-partition-id": Schema.Int,
  "default-sort-order-id": Schema.Int,
  "sort-orders": Schema.Array(Schema.Struct({ "order-id": Schema.Int, fields: Schema.Array(Schema.Json) })),
  properties: Schema.Record(Schema.String, Schema.String),
  "current-snapshot-id": Schema.Int,
  refs: Schema.Struct({ main: Schema.Struct({ "snapshot-id": Schema.Int, type: Schema.String }) }),
  /** Oldest first. */
  snapshots: Schema.Array(Snapshot),
  "snapshot-log": Schema.Array(Schema.Struct({ "timestamp-ms": Schema.Int, "snapshot-id": Schema.Int })),
  "metadata-log": Schema.Array(Schema.Struct({ "timestamp-ms": Schema.Int, "metadata-file": Schema.String }))
})
export type TableMetadata = typeof TableMetadata.Type

const Json = Schema.fromJsonString(TableMetadata)
export const decode = Schema.decodeUnknownSync(Json)
export const encode = Schema.encodeSync(Json)

export const progressOf = ({ summary }: Snapshot): Progress => ({
  logId: summary["floe.log.id"],
  offset: summary["floe.log.offset"],
  ...(summary["floe.log.last"] !== undefined && { lastEvent: summary["floe.log.last"] })
})

export const currentSnapshot = (metadata: TableMetadata) =>
  metadata.snapshots.find((snapshot) => snapshot["snapshot-id"] === metadata["current-snapshot-id"])

/** All that does not change from snapshot to snapshot. */
export const fixedParts = {
  "format-version": 2,
  "last-column-id": columns.length,
  "current-schema-id": tableSchema["schema-id"],
  schemas: [tableSchema],
  "default-spec-id": partitionSpec["spec-id"],
  "partition-specs": [partitionSpec],
  "last-partition-id": 1000,
  "default-sort-order-id": 0,
  "sort-orders": [{ "order-id": 0, fields: [] }],
  properties: {
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "schema.name-mapping.default": JSON.stringify(columns.map((name, i) => ({ "field-id": i + 1, names: [name] })))
  }
} as const

const file = /^v(\d+)\.metadata\.json$/
export const fileName = (version: number) => `v${version}.metadata.json`
/** The version that a file in `metadata/` holds; undefined if it is no metadata file. */
export const versionOf = (name: string) => {
  const digits = file.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
