/** The manifests of a snapshot and the files that they list (Iceberg v2), under the specification's field names. */
import { Schema } from "effect"
import { keyOf, valueOf } from "../schema/partitionKey.ts"
import * as SingleValue from "../schema/singleValue.ts"
import { type TableSpec, weather } from "../schema/TableSpec.ts"
import type { Form } from "./manifestFormat.ts"

const Counter = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Id = Schema.NullOr(Schema.BigInt)

/**
 * A data file or a delete file: the fields that Floe uses. Any other field stays in the object and is written back as it
 * was read.
 */
const ContentFile = Schema.Struct({
  content: Schema.Literals([0, 1, 2]),
  file_path: Schema.String,
  file_format: Schema.String,
  /** One value per field of the manifest's partition spec, as Avro decodes it. */
  partition: Schema.Record(Schema.String, Schema.Unknown),
  record_count: Counter,
  file_size_in_bytes: Counter,
  /** Equality delete files only. */
  equality_ids: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Int)))
})
export type ContentFile = typeof ContentFile.Type

export const content = { data: 0, positionDeletes: 1, equalityDeletes: 2 } as const
export const status = { existing: 0, added: 1, deleted: 2 } as const

export const ManifestEntry = Schema.Struct({
  status: Schema.Literals([0, 1, 2]),
  snapshot_id: Id,
  /** Null in an added entry, which inherits the manifest's sequence number. */
  sequence_number: Schema.NullOr(Schema.Int),
  file_sequence_number: Schema.NullOr(Schema.Int),
  data_file: ContentFile
})
export type ManifestEntry = typeof ManifestEntry.Type

export const ManifestFile = Schema.Struct({
  manifest_path: Schema.String,
  manifest_length: Counter,
  partition_spec_id: Schema.Int,
  /** 0: lists data files; 1: lists delete files. */
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

/** The entries with the snapshot id and sequence numbers that added entries inherit from their manifest. */
export const inherit = (manifest: ManifestFile, entries: ReadonlyArray<ManifestEntry>) =>
  entries.map((entry) => ({
    ...entry,
    snapshot_id: entry.snapshot_id ?? manifest.added_snapshot_id,
    sequence_number: entry.sequence_number ?? manifest.sequence_number,
    file_sequence_number: entry.file_sequence_number ?? manifest.sequence_number
  }))

/** The partition of a file under Floe's partition spec, as a key; undefined under another spec. */
export const partitionOf = (
  spec: TableSpec,
  { partition_spec_id }: Pick<ManifestFile, "partition_spec_id">,
  { data_file }: ManifestEntry
) => {
  if (partition_spec_id !== spec.partitionSpec["spec-id"]) return undefined
  // A weather record always has an hour.
  if (spec.hasHiveLayout && typeof data_file.partition.ts !== "string") return undefined
  return keyOf(spec, data_file.partition)
}

/** The hour of a file under the partition spec of weather; undefined under another spec, or where `ts` is null. */
export const hourOf = (manifest: Pick<ManifestFile, "partition_spec_id">, { data_file }: ManifestEntry) => {
  const { ts } = data_file.partition
  return manifest.partition_spec_id === weather.partitionSpec["spec-id"] && typeof ts === "string" ? ts : undefined
}

type Bounds = NonNullable<ManifestFile["partitions"]>[number]

const isWithin = (type: string, value: SingleValue.Value, { lower_bound: lower, upper_bound: upper }: Bounds) => {
  const compared = (bound: Uint8Array) => SingleValue.compare(value, SingleValue.deserialize(type, bound))
  return !(lower && compared(lower) < 0) && !(upper && compared(upper) > 0)
}

/** Whether a manifest may hold this live file, judged by the counts and bounds in its manifest list. */
export const mayHave = (manifest: ManifestFile, { data_file, sequence_number }: ManifestEntry, spec = weather) => {
  const { min_sequence_number, partition_spec_id, partitions, sequence_number: newest } = manifest
  if (manifest.added_files_count + manifest.existing_files_count === 0) return false
  if (sequence_number !== null && (sequence_number < min_sequence_number || sequence_number > newest)) return false
  if (partition_spec_id !== spec.partitionSpec["spec-id"]) return true
  return spec.partitions.every(({ avro, type }, i) => {
    const value = valueOf(type, data_file.partition[avro])
    return value === undefined || isWithin(type, value, partitions?.[i] ?? {})
  })
}

/** The least and the greatest value of a partition field, of those that are not null. */
const range = (entries: ReadonlyArray<ManifestEntry>, name: string, type: string) => {
  let containsNull = false
  let least: SingleValue.Value | undefined
  let greatest: SingleValue.Value | undefined
  let last: unknown
  for (const { data_file } of entries) {
    const partition = data_file.partition[name]
    if (partition === last && last !== undefined) continue
    last = partition
    if (partition === null || partition === undefined) containsNull = true
    else {
      const value = valueOf(type, partition)
      if (value === undefined) return undefined
      if (least === undefined || SingleValue.compare(value, least) < 0) least = value
      if (greatest === undefined || SingleValue.compare(value, greatest) > 0) greatest = value
    }
  }
  return { containsNull, least, greatest }
}

/** The type of a partition field, as far as Floe knows it: of another spec only that it is text. */
const typeOf = (spec: TableSpec, { meta }: Form, name: string) =>
  Number(meta["partition-spec-id"]) === spec.partitionSpec["spec-id"]
    ? spec.partitions.find(({ avro }) => avro === name)?.type
    : undefined

/** The bounds of each partition field; null if Floe does not know the type of one. */
const summarize = (entries: ReadonlyArray<ManifestEntry>, form: Form, spec: TableSpec) => {
  const summaries = []
  for (const name of Object.keys(entries[0]?.data_file.partition ?? {})) {
    const known = typeOf(spec, form, name)
    const type = known ?? "string"
    const of = range(entries, name, type)
    if (of === undefined || (known === undefined && typeof (of.least ?? "") !== "string")) return null
    const bounds = SingleValue.boundsOf(type, of.least, of.greatest)
    summaries.push({
      contains_null: of.containsNull,
      contains_nan: false,
      lower_bound: bounds.lower ?? null,
      upper_bound: bounds.upper ?? null
    })
  }
  return summaries
}

/** The manifest list's entry for a manifest that this snapshot adds. `length` is in bytes. */
export const describe = (
  path: string,
  length: number,
  snapshotId: bigint,
  sequenceNumber: number,
  entries: ReadonlyArray<ManifestEntry>,
  form: Form,
  spec: TableSpec
): ManifestFile => {
  const { meta } = form
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
    partitions: summarize(entries, form, spec)
  }
}
