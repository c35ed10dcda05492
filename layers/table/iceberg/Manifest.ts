/** Manifests (the data files of a table) and manifest lists (the manifests of a snapshot), Iceberg v2, in Avro's own field names. */
import { Schema } from "effect"
import * as Avro from "./avro.ts"
import { partitionSpec, tableSchema } from "./Metadata.ts"

const Counter = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Id = Schema.NullOr(Schema.BigInt)

/** What Floe uses of it. Whatever else an entry holds stays in the object and is written as it was read. */
const DataFile = Schema.Struct({
  content: Schema.Literals([0, 1, 2]),
  file_path: Schema.String,
  file_format: Schema.String,
  /** A value for each field of the manifest's own partition spec, as Avro gives it. */
  partition: Schema.Record(Schema.String, Schema.Unknown),
  record_count: Counter,
  file_size_in_bytes: Counter,
  /** Of an equality delete file. */
  equality_ids: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Int)))
})
export type DataFile = typeof DataFile.Type

export const content = { data: 0, positionDeletes: 1, equalityDeletes: 2 } as const
export const status = { existing: 0, added: 1, deleted: 2 } as const

const ManifestEntry = Schema.Struct({
  status: Schema.Literals([0, 1, 2]),
  snapshot_id: Id,
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
  /** 0 lists data files, 1 delete files. */
  content: Schema.Literals([0, 1]),
  sequence_number: Counter,
  min_sequence_number: Counter,
  added_snapshot_id: Schema.BigInt,
  added_files_count: Counter,
  existing_files_count: Counter,
  deleted_files_count: Counter,
  added_rows_count: Counter,
  existing_rows_count: Counter,
  deleted_rows_count: Counter,
  partitions: Schema.optionalKey(
    Schema.NullOr(
      Schema.Array(
        Schema.Struct({
          lower_bound: Schema.optionalKey(Schema.NullOr(Schema.Uint8Array)),
          upper_bound: Schema.optionalKey(Schema.NullOr(Schema.Uint8Array))
        })
      )
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
    optional(519, "key_metadata", "bytes"),
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

/** How a manifest is written: its Avro schema, which has the partition's type in it, and what its header says. */
export interface Form {
  readonly format: Avro.Format
  readonly meta: Avro.Meta
}

/** Of the manifests that Floe begins. */
export const ownForm: Form = {
  format: entryFormat,
  meta: {
    schema: JSON.stringify(tableSchema),
    "schema-id": String(tableSchema["schema-id"]),
    "partition-spec": JSON.stringify(partitionSpec.fields),
    "partition-spec-id": String(partitionSpec["spec-id"]),
    "format-version": "2",
    content: "data"
  }
}

/** The same for forms in which the same entries are written alike. */
export const keyOf = ({ format, meta }: Form) =>
  JSON.stringify([format.text, ...Object.entries(meta).filter(([key]) => !key.startsWith("avro."))])

/** Manifests of the format's first version have no place for the sequence number that an entry carries over. */
export const canCarryOver = ({ meta }: Form) => meta["format-version"] === "2"

export const encodeEntries = (entries: ReadonlyArray<ManifestEntry>, { format, meta }: Form = ownForm) =>
  Avro.encode(format, meta, entries)

const entryNames = new Map([
  [0, "status"],
  [1, "snapshot_id"],
  [3, "sequence_number"],
  [4, "file_sequence_number"],
  [2, "data_file"],
  [134, "content"],
  [100, "file_path"],
  [101, "file_format"],
  [102, "partition"],
  [103, "record_count"],
  [104, "file_size_in_bytes"],
  [135, "equality_ids"]
])

const listNames = new Map([
  [500, "manifest_path"],
  [501, "manifest_length"],
  [502, "partition_spec_id"],
  [517, "content"],
  [515, "sequence_number"],
  [516, "min_sequence_number"],
  [503, "added_snapshot_id"],
  [504, "added_files_count"],
  [505, "existing_files_count"],
  [506, "deleted_files_count"],
  [512, "added_rows_count"],
  [513, "existing_rows_count"],
  [514, "deleted_rows_count"],
  [507, "partitions"],
  [519, "key_metadata"]
])

const Row = Schema.Record(Schema.String, Schema.Unknown)
/** A bigint whatever its size, so that ids can be compared. */
const idOf = (value: unknown) => (typeof value === "number" ? BigInt(value) : (value ?? null))

/** What the format's first version did not have, filled in as the specification says. */
const entryOf = (record: unknown): ManifestEntry => {
  Schema.asserts(Row, record)
  const { data_file } = record
  Schema.asserts(Row, data_file)
  const entry = {
    sequence_number: "sequence_number" in record ? record.sequence_number : 0,
    file_sequence_number: "sequence_number" in record ? null : 0,
    ...record,
    snapshot_id: idOf(record.snapshot_id),
    data_file: { content: content.data, ...data_file }
  }
  Schema.asserts(ManifestEntry, entry)
  return entry
}

const listed = (record: unknown): ManifestFile => {
  Schema.asserts(Row, record)
  const manifest = {
    content: content.data,
    sequence_number: 0,
    min_sequence_number: 0,
    ...record,
    added_snapshot_id: idOf(record.added_snapshot_id)
  }
  Schema.asserts(ManifestFile, manifest)
  return manifest
}

/** Throws if the file is not whole or not a manifest. */
export const decodeEntries = (bytes: Buffer) => {
  const { format, meta, records } = Avro.decode(bytes, entryNames)
  return { form: { format, meta }, entries: records.map(entryOf) }
}

export const encodeList = (
  snapshot: { readonly id: bigint; readonly parent: bigint | undefined; readonly sequenceNumber: number },
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

/** Throws if the file is not whole or not a manifest list. */
export const decodeList = (bytes: Buffer): ReadonlyArray<ManifestFile> =>
  Avro.decode(bytes, listNames).records.map(listed)

/** The entries of a manifest with the sequence numbers that an added entry takes from its manifest. */
export const inherit = (manifest: ManifestFile, entries: ReadonlyArray<ManifestEntry>) =>
  entries.map((entry) => ({
    ...entry,
    snapshot_id: entry.snapshot_id ?? manifest.added_snapshot_id,
    sequence_number: entry.sequence_number ?? manifest.sequence_number,
    file_sequence_number: entry.file_sequence_number ?? manifest.sequence_number
  }))

/** The hour of a file that Floe's own partition spec places; undefined under another one, and where it is null. */
export const hourOf = (manifest: Pick<ManifestFile, "partition_spec_id">, { data_file }: ManifestEntry) => {
  const { ts } = data_file.partition
  return manifest.partition_spec_id === partitionSpec["spec-id"] && typeof ts === "string" ? ts : undefined
}

/** Whether a manifest can have a live file, by what its list says of it. */
export const mayHave = (manifest: ManifestFile, { data_file, sequence_number }: ManifestEntry) => {
  const { min_sequence_number, partition_spec_id, partitions, sequence_number: newest } = manifest
  if (manifest.added_files_count + manifest.existing_files_count === 0) return false
  if (sequence_number !== null && (sequence_number < min_sequence_number || sequence_number > newest)) return false
  const { ts } = data_file.partition
  if (partition_spec_id !== partitionSpec["spec-id"] || typeof ts !== "string") return true
  const { lower_bound: lower, upper_bound: upper } = partitions?.[0] ?? {}
  const value = Buffer.from(ts)
  return !(lower && value.compare(lower) < 0) && !(upper && value.compare(upper) > 0)
}

/** The bounds of each field of the partition, where all its values are text; null where one is of another type. */
const summarize = (entries: ReadonlyArray<ManifestEntry>) => {
  const summaries = []
  for (const name of Object.keys(entries[0]?.data_file.partition ?? {})) {
    let contains_null = false
    let lower: Buffer | null = null
    let upper: Buffer | null = null
    let last: string | undefined
    for (const { data_file } of entries) {
      const value = data_file.partition[name]
      if (value === last) continue
      if (value === null) contains_null = true
      else if (typeof value === "string") {
        last = value
        const bytes = Buffer.from(value)
        if (lower === null || bytes.compare(lower) < 0) lower = bytes
        if (upper === null || bytes.compare(upper) > 0) upper = bytes
      } else return null
    }
    summaries.push({ contains_null, contains_nan: false, lower_bound: lower, upper_bound: upper })
  }
  return summaries
}

/** What a manifest list says of a manifest that is added by this snapshot. */
export const describe = (
  path: string,
  length: number,
  snapshotId: bigint,
  sequenceNumber: number,
  entries: ReadonlyArray<ManifestEntry>,
  { meta }: Form
): ManifestFile => {
  const files = [0, 0, 0]
  const rows = [0, 0, 0]
  let least = sequenceNumber
  for (const entry of entries) {
    files[entry.status] = (files[entry.status] ?? 0) + 1
    rows[entry.status] = (rows[entry.status] ?? 0) + entry.data_file.record_count
    if (entry.status !== status.deleted) least = Math.min(least, entry.sequence_number ?? sequenceNumber)
  }
  return {
    manifest_path: path,
    manifest_length: length,
    partition_spec_id: Number(meta["partition-spec-id"]),
    content: meta.content === "deletes" ? 1 : 0,
    sequence_number: sequenceNumber,
    min_sequence_number: least,
    added_snapshot_id: snapshotId,
    added_files_count: files[status.added] ?? 0,
    existing_files_count: files[status.existing] ?? 0,
    deleted_files_count: files[status.deleted] ?? 0,
    added_rows_count: rows[status.added] ?? 0,
    existing_rows_count: rows[status.existing] ?? 0,
    deleted_rows_count: rows[status.deleted] ?? 0,
    partitions: summarize(entries)
  }
}
