/** The table's metadata file `v<N>.metadata.json` (Iceberg v2), under the specification's field names. */
import { Schema } from "effect"
import type { Progress } from "../../../services/TableWriter.ts"
import { isSameType, type TableField, typeText } from "../schema/fields.ts"
import { type TableSpec, weather } from "../schema/TableSpec.ts"
import * as ExactJson from "./exactJson.ts"

const Summary = Schema.Record(Schema.String, Schema.String)
export type Summary = typeof Summary.Type

const Snapshot = Schema.Struct({
  "snapshot-id": Schema.BigInt,
  "parent-snapshot-id": Schema.optionalKey(Schema.NullOr(Schema.BigInt)),
  "sequence-number": Schema.optionalKey(Schema.Int),
  "timestamp-ms": Schema.Int,
  "manifest-list": Schema.String,
  summary: Schema.optionalKey(Summary),
  "schema-id": Schema.optionalKey(Schema.NullOr(Schema.Int))
})
export type Snapshot = typeof Snapshot.Type

const Field = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  required: Schema.Boolean,
  /** A string, or an object for a nested type. */
  type: Schema.Unknown
})
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

/** The fields that Floe uses. Any other field, at any depth, stays in the object and is written back as it was read. */
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
  "sort-orders": Schema.Array(Schema.Unknown),
  properties: Schema.Record(Schema.String, Schema.String),
  /** Absent before the first snapshot. */
  "current-snapshot-id": Schema.optionalKey(Schema.BigInt),
  refs: Schema.Record(Schema.String, Schema.Struct({ "snapshot-id": Schema.BigInt, type: Schema.String })),
  /** The specification promises no order; Floe and Iceberg's Java library append. */
  snapshots: Schema.Array(Snapshot),
  "snapshot-log": Schema.Array(Schema.Struct({ "timestamp-ms": Schema.Int, "snapshot-id": Schema.BigInt })),
  "metadata-log": Schema.Array(Schema.Struct({ "timestamp-ms": Schema.Int, "metadata-file": Schema.String }))
})
export type TableMetadata = typeof TableMetadata.Type

const Versioned = Schema.Struct({
  "format-version": Schema.Int,
  "current-snapshot-id": Schema.optionalKey(Schema.Unknown)
})

/** A valid file that Floe does not support; the message is the end of a sentence that begins with its path. */
export class Unsupported extends Error {}

/** Fills in optional fields. A table without snapshots has no current one: some writers write null or -1. */
const withDefaults = (file: unknown) => {
  Schema.asserts(Versioned, file)
  const version = file["format-version"]
  if (version !== 2) throw new Unsupported(`has Iceberg format version ${version}; Floe reads version 2`)
  const all = { properties: {}, refs: {}, snapshots: [], "snapshot-log": [], "metadata-log": [], ...file }
  const { "current-snapshot-id": current, ...without } = all
  return current === null || current === -1n ? without : all
}

/** Throws if the text is not table metadata of format version 2. */
export const decode = (text: string): TableMetadata => {
  const metadata: unknown = withDefaults(ExactJson.parse(text))
  Schema.asserts(TableMetadata, metadata)
  return metadata
}

export const encode = (metadata: TableMetadata) => ExactJson.stringify(metadata)

/** A number of the summary; undefined if the writer did not record it. */
export const countOf = ({ summary }: Snapshot, key: string) => {
  const text = summary?.[key]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

export const operationOf = ({ summary }: Snapshot) => summary?.operation ?? "unknown"

/** The progress in a snapshot's summary; undefined if Floe did not write the snapshot. */
export const progressOf = (snapshot: Snapshot): Progress | undefined => {
  const { "floe.log.id": logId, "floe.log.last": lastEvent } = snapshot.summary ?? {}
  const offset = countOf(snapshot, "floe.log.offset")
  if (logId === undefined || offset === undefined) return undefined
  return { logId, offset, ...(lastEvent !== undefined && { lastEvent }) }
}

export const currentSnapshot = (metadata: TableMetadata) =>
  metadata.snapshots.find((snapshot) => snapshot["snapshot-id"] === metadata["current-snapshot-id"])

/** A snapshot and its ancestors, newest first, as far as they are kept. */
export const ancestorsOf = (
  metadata: Pick<TableMetadata, "snapshots">,
  from: bigint | undefined
): ReadonlyArray<Snapshot> => {
  const byId = new Map(metadata.snapshots.map((one) => [one["snapshot-id"], one]))
  const chain = new Set<Snapshot>()
  for (
    let one = byId.get(from ?? -1n);
    one !== undefined && !chain.has(one);
    one = byId.get(one["parent-snapshot-id"] ?? -1n)
  )
    chain.add(one)
  return [...chain]
}

type Schemas = TableMetadata["schemas"][number]
type Fields = Pick<Schemas, "fields">

const isSameField = (one: Schemas["fields"][number] | undefined, field: TableField) =>
  one?.id === field.id && one.name === field.name && isSameType(one.type, field.type)

/** Whether the schema has these fields and no others. */
const hasFields = ({ fields }: Fields, expected: ReadonlyArray<TableField>) =>
  fields.length === expected.length && expected.every((field, i) => isSameField(fields[i], field))

/** Whether the table has always had the columns that Floe created it with, so that all files have these columns. */
export const hasOwnColumns = (metadata: TableMetadata, { schema }: Pick<TableSpec, "schema"> = weather) =>
  metadata["current-schema-id"] === schema["schema-id"] &&
  metadata.schemas.every((one) => hasFields(one, schema.fields))

export const currentSchema = (metadata: TableMetadata) =>
  metadata.schemas.find((one) => one["schema-id"] === metadata["current-schema-id"])

/** Whether the table has always had the same columns, so that all files have these columns. */
export const hasFirstColumns = (metadata: TableMetadata) => {
  const [first] = metadata.schemas
  const fields = JSON.stringify(first?.fields)
  return metadata["current-schema-id"] === 0 && metadata.schemas.every((one) => JSON.stringify(one.fields) === fields)
}

/** The id that the table's metadata gives to these columns. */
export const schemaIdOf = (metadata: TableMetadata | undefined, { schema }: TableSpec) =>
  metadata?.schemas.find((one) => hasFields(one, schema.fields))?.["schema-id"] ?? schema["schema-id"]

/** Why Floe cannot add rows, as the end of a sentence that begins with the metadata file; undefined if it can. */
export const whyUnwritable = (metadata: TableMetadata, { partitionSpec, schema }: TableSpec = weather) => {
  const fields = currentSchema(metadata)?.fields ?? []
  for (const own of schema.fields) {
    if (
      !isSameField(
        fields.find((one) => one.id === own.id),
        own
      )
    )
      return `no longer has the column ${own.name} of type ${typeText(own.type)}: another program renamed, changed or dropped it; restore the column`
  }
  const required = fields.find((field) => field.required)
  if (required !== undefined) {
    return `has the required column ${required.name}, which Floe does not write; make it optional`
  }
  const spec = metadata["partition-specs"].find((one) => one["spec-id"] === partitionSpec["spec-id"])
  const isOwn =
    spec?.fields.length === partitionSpec.fields.length &&
    partitionSpec.fields.every((own, i) => {
      const field = spec.fields[i]
      return field?.["source-id"] === own["source-id"] && field.transform === own.transform
    })
  if (isOwn) return undefined
  const columns = partitionSpec.fields.map(({ name }) => name).join(", ")
  return columns === ""
    ? "is partitioned in its first partition spec, which Floe does not expect"
    : `is not partitioned by ${columns} in its first partition spec, as Floe requires`
}

/** Holds the applied definition of the table's stream. */
export const streamProperty = "floe.stream"

/** The parts that no commit of Floe changes. */
export const fixedParts = ({ hasHiveLayout, nameMapping, partitionSpec, schema, stream }: TableSpec) => ({
  "format-version": 2 as const,
  "last-column-id": stream.lastId,
  "current-schema-id": schema["schema-id"],
  schemas: [schema],
  "default-spec-id": partitionSpec["spec-id"],
  "partition-specs": [partitionSpec],
  "last-partition-id": 999 + partitionSpec.fields.length,
  "default-sort-order-id": 0,
  "sort-orders": [{ "order-id": 0, fields: [] }],
  properties: {
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "schema.name-mapping.default": JSON.stringify(nameMapping),
    ...(!hasHiveLayout && { [streamProperty]: JSON.stringify(stream) })
  }
})

const file = /^v(\d+)(?:\.gz\.metadata\.json|\.metadata\.json(?:\.gz)?)$/
export const fileName = (version: number) => `v${version}.metadata.json`
/** The version of a file in `metadata/`; undefined if it is not a metadata file. */
export const versionOf = (name: string) => {
  const digits = file.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
export const isCompressed = (name: string) => name.includes(".gz")
