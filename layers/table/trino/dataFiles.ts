/** The data files of a snapshot, as Trino shows them. */
import { Schema, Stream } from "effect"
import type { Query } from "../../../services/Query.ts"
import type { DataFile } from "../../../services/TableReader.ts"
import * as Rows from "./rows.ts"

/** Names and values of the partition's fields; null where the table has none. */
const Partition = Schema.NullOr(Schema.Record(Schema.String, Schema.Json))
const Row = Schema.Tuple([Schema.String, Partition, Rows.Whole, Rows.Whole])

/** What of the table has to be known to read its files. */
interface Place {
  readonly table: string
  readonly location: string
  readonly isPartitioned: boolean
}

/** Of the newest snapshot, or of another one by its id: of those Trino has no list, but each row knows its file. */
const statement = ({ table, isPartitioned }: Place, snapshotId: string | undefined) => {
  const partition = (name: string) => (isPartitioned ? name : "NULL")
  if (snapshotId === undefined) {
    return `SELECT file_path, ${partition("partition")}, record_count, file_size_in_bytes
FROM ${Rows.about(table, "files")} WHERE content = 0`
  }
  return `SELECT data_file.file_path, any_value(${partition("data_file.partition")}), any_value(data_file.record_count), any_value(data_file.file_size_in_bytes)
FROM ${Rows.about(table, "all_entries")}
WHERE data_file.file_path IN (SELECT "$path" FROM iceberg.default."${table}" FOR VERSION AS OF ${snapshotId})
GROUP BY data_file.file_path`
}

const partitionText = (partition: typeof Partition.Type) =>
  Object.entries(partition ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join("/")

export const read = (query: Query["Service"], place: Place, snapshotId: string | undefined) =>
  Rows.stream(
    query,
    { table: place.table, operation: "reading its files", row: Row },
    statement(place, snapshotId)
  ).pipe(
    Stream.map(
      ([path, partition, rows, bytes]): DataFile => ({
        path: path.startsWith(`${place.location}/`) ? path.slice(place.location.length + 1) : path,
        partition: partitionText(partition),
        rows,
        bytes
      })
    )
  )
