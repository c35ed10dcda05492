/** Lists the data files of a snapshot. */
import { Schema, Stream } from "effect"
import type { DataFile } from "../../../services/TableReader.ts"
import { partitionText } from "../schema/partitionKey.ts"
import * as Rows from "./rows.ts"

const Partition = Schema.NullOr(Schema.Record(Schema.String, Schema.Json))
const Row = Schema.Tuple([Schema.String, Partition, Rows.Whole, Rows.Whole])

interface TableLayout {
  readonly table: string
  readonly location: string
  /** Each like `day(at)`. */
  readonly partitioning: ReadonlyArray<string>
}

/** Trino lists the files of the current snapshot only; for an older one each row names its file in `$path`. */
const statement = ({ table, partitioning }: TableLayout, snapshotId: string | undefined) => {
  const partition = (name: string) => (partitioning.length > 0 ? name : "NULL")
  if (snapshotId === undefined) {
    return `SELECT file_path, ${partition("partition")}, record_count, file_size_in_bytes
FROM ${Rows.metadataTable(table, "files")} WHERE content = 0`
  }
  return `SELECT data_file.file_path, any_value(${partition("data_file.partition")}), any_value(data_file.record_count), any_value(data_file.file_size_in_bytes)
FROM ${Rows.metadataTable(table, "all_entries")}
WHERE data_file.file_path IN (SELECT "$path" FROM iceberg.default."${table}" FOR VERSION AS OF ${snapshotId})
GROUP BY data_file.file_path`
}

/** Trino gives a day as a date already, and years, months and hours as counts since 1970. */
const valueText = (field: string | undefined, value: Schema.Json) => {
  const transform = /^(year|month|hour)\(/.exec(field ?? "")?.[1]
  return transform === undefined ? String(value) : partitionText(transform, value)
}

const textOf = ({ partitioning }: TableLayout, partition: typeof Partition.Type) =>
  Object.entries(partition ?? {})
    .map(([name, value], i) => `${name}=${valueText(partitioning[i], value)}`)
    .join("/")

export const read = (layout: TableLayout, snapshotId: string | undefined) =>
  Rows.stream({ table: layout.table, operation: "reading its files", row: Row }, statement(layout, snapshotId)).pipe(
    Stream.map(
      ([path, partition, rows, bytes]): DataFile => ({
        path: path.startsWith(`${layout.location}/`) ? path.slice(layout.location.length + 1) : path,
        partition: textOf(layout, partition),
        rows,
        bytes
      })
    )
  )
