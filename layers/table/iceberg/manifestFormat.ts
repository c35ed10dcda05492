/** The Avro schemas of manifests and manifest lists (Iceberg v2), and the form in which a manifest is written. */

import { decimalOf } from "../../../services/StreamDefinition.ts"
import { leavesOf } from "../schema/fields.ts"
import { decimalLength } from "../schema/partitionKey.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import * as Avro from "./avro.ts"

const field = (id: number, name: string, type: unknown) => ({ name, type, "field-id": id })
const optional = (id: number, name: string, type: unknown) => ({
  name,
  type: ["null", type],
  default: null,
  "field-id": id
})
/** Iceberg stores a map with integer keys as an array of records. */
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

/** The Avro type of a partition value. */
const partitionType = (type: string) => {
  const decimal = decimalOf(type)
  if (decimal !== undefined) {
    const { precision, scale } = decimal
    const size = decimalLength(precision)
    return { type: "fixed", name: `decimal_${precision}_${scale}`, size, logicalType: "decimal", precision, scale }
  }
  const types: Readonly<Record<string, unknown>> = {
    date: { type: "int", logicalType: "date" },
    time: { type: "long", logicalType: "time-micros" },
    timestamp: { type: "long", logicalType: "timestamp-micros", "adjust-to-utc": false },
    timestamptz: { type: "long", logicalType: "timestamp-micros", "adjust-to-utc": true },
    uuid: { type: "fixed", name: "uuid_fixed", size: 16, logicalType: "uuid" },
    binary: "bytes"
  }
  return types[type] ?? type
}

const entryFormat = ({ partitions, schema }: TableSpec): Avro.Format =>
  Avro.makeFormat({
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
            fields: partitions.map(({ avro, type }, i) => optional(1000 + i, avro, partitionType(type)))
          }),
          field(103, "record_count", "long"),
          field(104, "file_size_in_bytes", "long"),
          optionalMap(108, "column_sizes", 117, 118, "long"),
          optionalMap(109, "value_counts", 119, 120, "long"),
          optionalMap(110, "null_value_counts", 121, 122, "long"),
          ...(leavesOf(schema.fields).some(({ type }) => type === "float" || type === "double")
            ? [optionalMap(137, "nan_value_counts", 138, 139, "long")]
            : []),
          optionalMap(125, "lower_bounds", 126, 127, "bytes"),
          optionalMap(128, "upper_bounds", 129, 130, "bytes"),
          optional(132, "split_offsets", { type: "array", items: "long", "element-id": 133 }),
          optional(140, "sort_order_id", "int")
        ]
      })
    ]
  })

export const listFormat: Avro.Format = Avro.makeFormat({
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

/** How a manifest is written: its Avro schema, which holds the partition's type, and the metadata of its header. */
export interface Form {
  readonly format: Avro.Format
  readonly meta: Avro.Meta
}

/** The form of the manifests that Floe starts itself. `schemaId` is the id of the schema in the table's metadata. */
export const ownForm = (spec: TableSpec, schemaId: number): Form => ({
  format: entryFormat(spec),
  meta: {
    schema: JSON.stringify({ ...spec.schema, "schema-id": schemaId }),
    "schema-id": String(schemaId),
    "partition-spec": JSON.stringify(spec.partitionSpec.fields),
    "partition-spec-id": String(spec.partitionSpec["spec-id"]),
    "format-version": "2",
    content: "data"
  }
})

/** Two forms with the same key write the same entries alike. */
export const formKey = ({ format, meta }: Form) =>
  JSON.stringify([format.text, ...Object.entries(meta).filter(([key]) => !key.startsWith("avro."))])

/** Manifests of format version 1 have no field for the sequence number that an entry keeps. */
export const canCarryOver = ({ meta }: Form) => meta["format-version"] === "2"

/** The names of the fields by their ids: older writers used other names. */
export const entryNames = new Map([
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

export const listNames = new Map([
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
