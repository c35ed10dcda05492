/** Manifests (the data files of a table) and manifest lists (the manifests of a snapshot), Iceberg v2, in Avro's own field names. */
import { Schema } from "effect"
import * as Avro from "./Avro.ts"
import { partitionSpec, tableSchema } from "./Metadata.ts"

const Counter = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const mapOf = <S extends Schema.Constraint>(value: S) =>
  Schema.NullOr(Schema.Array(Schema.Struct({ key: Schema.Int, value })))

const DataFile = Schema.Struct({
  content: Schema.Literal(0),
  file_path: Schema.String,
  file_format: Schema.String,
  partition: Schema.Struct({ ts: Schema.String }),
  record_count: Counter,
  file_size_in_bytes: Counter,
  column_sizes: mapOf(Counter),
  value_counts: mapOf(Counter),
  null_value_counts: mapOf(Counter),
  lower_bounds: mapOf(Schema.Uint8Array),
  upper_bounds: mapOf(Schema.Uint8Array),
  split_offsets: Schema.NullOr(Schema.Array(Counter)),
  sort_order_id: Schema.NullOr(Schema.Int)
})
export type DataFile = typeof DataFile.Type

export const status = { existing: 0, added: 1, deleted: 2 } as const

const ManifestEntry = Schema.Struct({
  status: Schema.Literals([0, 1, 2]),
  snapshot_id: Schema.NullOr(Schema.Int),
  /** Null in an added entry: the manifest's own. */
  sequence_number: Schema.NullOr(Schema.Int),
  file_sequence_number: Schema.NullOr(Schema.Int),
  data_file: DataFile
})
export type ManifestEntry = typeof ManifestEntry.Type

const ManifestFile = Schema.Struct({
  manifest_path: Schema.String,
  manifest_length: Counter,
  partition_spec_id: Schema.Int,
  content: Schema.Literal(0),
  sequence_number: Counter,
  min_sequence_number: Counter,
  added_snapshot_id: Schema.Int,
  added_files_count: Counter,
  existing_files_count: Counter,
  deleted_files_count: Counter,
  added_rows_count: Counter,
  existing_rows_count: Counter,
  deleted_rows_count: Counter,
  partitions: Schema.NullOr(
    Schema.Array(
      Schema.Struct({
        contains_null: Schema.Boolean,
        contains_nan: Schema.NullOr(Schema.Boolean),
        lower_bound: Schema.NullOr(Schema.Uint8Array),
        upper_bound: Schema.NullOr(Schema.Uint8Array)
      })
    )
  )
})
export type ManifestFile = typeof ManifestFile.Type

const field = (id: number, name: string, type: unknown) => ({ name, type, "field-id": id })
const optional = (id: number, name: string, type: unknown) => ({
  name,
  type: ["null", type],
  default: null,
  "field-id": id
})
/** Iceberg keeps a map with integer keys as an array of records. */
const optionalMap = (id: number, name: string, key: number, value: number, type: string) =>
  optional(id, name, {
    type: "array",
    logicalType: "map",
    items: {
      type: "record",
      name: `k${key}_v${value}`,
      fields: [field(key, "key", "int"), field(value, "value", type)]
    }
  })

const entryFormat = Avro.makeFormat({
  type: "record",
  name: "manifest_entry",
  fields: [
    field(0, "status", "int"),
    optional(1, "snapshot_id", "long"),
    optional(3, "sequence_number", "long"),
    optional(4, "file_sequence_number", "long"),
    field(2, "data_file", {
      type: "record",
      name: "r2",
      fields: [
        field(134, "content", "int"),
        field(100, "file_path", "string"),
        field(101, "file_format", "string"),
        field(102, "partition", {
          type: "record",
          name: "r102",
          fields: [optional(1000, "ts", "string")]
        }),
        field(103, "record_count", "long"),
        field(104, "file_size_in_bytes", "long"),
        optionalMap(108, "column_sizes", 117, 118, "long"),
        optionalMap(109, "value_counts", 119, 120, "long"),
        optionalMap(110, "null_value_counts", 121, 122, "long"),
        optionalMap(125, "lower_bounds", 126, 127, "bytes"),
        optionalMap(128, "upper_bounds", 129, 130, "bytes"),
        optional(132, "split_offsets", { type: "array", items: "long", "element-id": 133 }),
        optional(140, "sort_order_id", "int")
      ]
    })
  ]
})

const listFormat = Avro.makeFormat({
  type: "record",
  name: "manifest_file",
  fields: [
    field(500, "manifest_path", "string"),
    field(501, "manifest_length", "long"),
    field(502, "partition_spec_id", "int"),
    field(517, "content", "int"),
    field(515, "sequence_number", "long"),
    field(516, "min_sequence_number", "long"),
    field(503, "added_snapshot_id", "long"),
    field(504, "added_files_count", "int"),
    field(505, "existing_files_count", "int"),
    field(506, "deleted_files_count", "int"),
    field(512, "added_rows_count", "long"),
    field(513, "existing_rows_count", "long"),
    field(514, "deleted_rows_count", "long"),
    optional(507, "partitions", {
      type: "array",
      "element-id": 508,
      items: {
        type: "record",
        name: "r508",
        fields: [
          field(509, "contains_null", "boolean"),
          optional(518, "contains_nan", "boolean"),
          optional(510, "lower_bound", "bytes"),
          optional(511, "upper_bound", "bytes")
        ]
      }
    })
  ]
})

const manifestMeta = {
  schema: JSON.stringify(tableSchema),
  "schema-id": String(tableSchema["schema-id"]),
  "partition-spec": JSON.stringify(partitionSpec.fields),
  "partition-spec-id": String(partitionSpec["spec-id"]),
  "format-version": "2",
  content: "data"
}

export const encodeEntries = (entries: ReadonlyArray<ManifestEntry>) => Avro.encode(entryFormat, manifestMeta, entries)

const decodeEntry = Schema.decodeUnknownSync(Schema.Array(ManifestEntry))
/** Throws if the file is not whole or not a manifest of this table. */
export const decodeEntries = (bytes: Buffer): ReadonlyArray<ManifestEntry> => decodeEntry(Avro.decode(bytes).records)

export const encodeList = (
  snapshot: { readonly id: number; readonly parent: number | undefined; readonly sequenceNumber: number },
  manifests: ReadonlyArray<ManifestFile>
) =>
  Avro.encode(
    listFormat,
    {
      "snapshot-id": String(snapshot.id),
      "parent-snapshot-id": snapshot.parent === undefined ? "null" : String(snapshot.parent),
      "sequence-number": String(snapshot.sequenceNumber),
      "format-version": "2"
    },
    manifests
  )

const decodeManifestFiles = Schema.decodeUnknownSync(Schema.Array(ManifestFile))
/** Throws if the file is not whole or not a manifest list. */
export const decodeList = (bytes: Buffer): ReadonlyArray<ManifestFile> =>
  decodeManifestFiles(Avro.decode(bytes).records)

/** The entries of a manifest with the sequence numbers that an added entry takes from its manifest. */
export const inherit = (manifest: ManifestFile, entries: ReadonlyArray<ManifestEntry>) =>
  entries.map((entry) => ({
    ...entry,
    snapshot_id: entry.snapshot_id ?? manifest.added_snapshot_id,
    sequence_number: entry.sequence_number ?? manifest.sequence_number,
    file_sequence_number: entry.file_sequence_number ?? manifest.sequence_number
  }))

/** What a manifest list says of a manifest that is added by this snapshot. */
export const describe = (
  path: string,
  length: number,
  snapshotId: number,
  sequenceNumber: number,
  entries: ReadonlyArray<ManifestEntry>
): ManifestFile => {
  const files = [0, 0, 0]
  const rows = [0, 0, 0]
  let least = sequenceNumber
  let lower = entries[0]?.data_file.partition.ts
  let upper = lower
  for (const entry of entries) {
    files[entry.status] = (files[entry.status] ?? 0) + 1
    rows[entry.status] = (rows[entry.status] ?? 0) + entry.data_file.record_count
    const { ts } = entry.data_file.partition
    if (lower !== undefined && ts < lower) lower = ts
    if (upper !== undefined && ts > upper) upper = ts
    if (entry.status !== status.deleted) least = Math.min(least, entry.sequence_number ?? sequenceNumber)
  }
  return {
    manifest_path: path,
    manifest_length: length,
    partition_spec_id: partitionSpec["spec-id"],
    content: 0,
    sequence_number: sequenceNumber,
    min_sequence_number: least,
    added_snapshot_id: snapshotId,
    added_files_count: files[status.added] ?? 0,
    existing_files_count: files[status.existing] ?? 0,
    deleted_files_count: files[status.deleted] ?? 0,
    added_rows_count: rows[status.added] ?? 0,
    existing_rows_count: rows[status.existing] ?? 0,
    deleted_rows_count: rows[status.deleted] ?? 0,
    partitions: [
      {
        contains_null: false,
        contains_nan: false,
        lower_bound: lower === undefined ? null : Buffer.from(lower),
        upper_bound: upper === undefined ? null : Buffer.from(upper)
      }
    ]
  }
}
