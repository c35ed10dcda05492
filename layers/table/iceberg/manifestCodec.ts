/** Encodes and decodes manifests and manifest lists. */
import { Schema } from "effect"
import * as Avro from "./avro.ts"
import { content, ManifestEntry, ManifestFile } from "./Manifest.ts"
import { entryNames, type Form, listFormat, listNames } from "./manifestFormat.ts"

const Row = Schema.Record(Schema.String, Schema.Unknown)
const idOf = (value: unknown) => (typeof value === "number" ? BigInt(value) : (value ?? null))

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

const manifestFileOf = (record: unknown): ManifestFile => {
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

export const encodeEntries = (entries: ReadonlyArray<ManifestEntry>, { format, meta }: Form) =>
  Avro.encode(format, meta, entries)

/** Throws if the file is truncated, corrupt or not a manifest. */
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

/** Throws if the file is truncated, corrupt or not a manifest list. */
export const decodeList = (bytes: Buffer): ReadonlyArray<ManifestFile> =>
  Avro.decode(bytes, listNames).records.map(manifestFileOf)
