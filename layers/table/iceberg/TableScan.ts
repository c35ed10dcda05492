/** What must be read to get the rows of a snapshot: data files, the files that delete rows of them, and the columns. */
import { Effect, Schema } from "effect"
import { TableBroken } from "../../../services/TableWriter.ts"
import * as Manifest from "./Manifest.ts"
import * as Metadata from "./Metadata.ts"
import type { CurrentMetadata } from "./MetadataFiles.ts"
import { type LiveEntry, readEntries, type TableFile, toTableFile } from "./readManifests.ts"

/** A file that deletes rows, or whose rows may be deleted by one. */
export interface PairedFile extends TableFile {
  /** The path as the table's files record it. */
  readonly recorded: string
  readonly sequence: number
  /** Equal for files of the same partition. */
  readonly partition: string
}

export interface Column {
  readonly id: number
  readonly name: string
  /** As in the metadata: a string, or an object for a nested type. */
  readonly type: unknown
  /** Its types in all schemas of the table. */
  readonly types: ReadonlyArray<unknown>
}

export interface TableScan {
  readonly columns: ReadonlyArray<Column>
  /** The columns were changed, so that files may have different ones: columns must be identified by id. */
  readonly changed: boolean
  /** Data files without deleted rows. */
  readonly files: ReadonlyArray<TableFile>
  /** Data files that may have deleted rows. */
  readonly touched: ReadonlyArray<PairedFile>
  /** Position delete files: they list deleted rows by data file and position. */
  readonly deletes: ReadonlyArray<PairedFile>
}

const unsupported = (file: string, reason: string) => new TableBroken({ file, reason, unsupported: true })

const sequenceOf = ({ entry }: LiveEntry) => entry.sequence_number ?? 0

const partitionOf = ({ entry, manifest }: LiveEntry) =>
  JSON.stringify([manifest.partition_spec_id, ...Object.values(entry.data_file.partition)], (_, value) =>
    typeof value === "bigint" ? `${value}n` : value
  )

const paired = (live: LiveEntry): PairedFile => ({
  ...toTableFile(live),
  recorded: live.entry.data_file.file_path,
  sequence: sequenceOf(live),
  partition: partitionOf(live)
})

/** Lower or upper bounds, by column id. */
export const Bounds = Schema.NullOr(Schema.Array(Schema.Struct({ key: Schema.Int, value: Schema.Uint8Array })))
const hasBounds = Schema.is(Schema.Struct({ lower_bounds: Bounds, upper_bounds: Bounds }))
/** The id of the column `file_path` in a position delete file. */
export const pathField = 2147483546

const boundsOf = ({ data_file }: Manifest.ManifestEntry) => {
  const bounds = hasBounds(data_file) ? data_file : undefined
  const of = (side: "lower_bounds" | "upper_bounds") => bounds?.[side]?.find(({ key }) => key === pathField)?.value
  return { lower: of("lower_bounds"), upper: of("upper_bounds") }
}

/** Whether any of these position delete files may delete rows of a data file, judged without reading them. */
export const mayTouch = (deletes: ReadonlyArray<LiveEntry>) => {
  const byPartition = Map.groupBy(
    deletes.map((one) => ({ sequence: sequenceOf(one), partition: partitionOf(one), ...boundsOf(one.entry) })),
    ({ partition }) => partition
  )
  return (data: LiveEntry) => {
    const candidates = byPartition.get(partitionOf(data))
    if (candidates === undefined) return false
    const path = Buffer.from(data.entry.data_file.file_path)
    return candidates.some(
      ({ lower, sequence, upper }) =>
        sequence >= sequenceOf(data) &&
        (lower === undefined || path.compare(lower) >= 0) &&
        (upper === undefined || path.compare(upper) <= 0)
    )
  }
}

/** An equality delete applies only to older data files, of its partition or, if it has none, of all partitions. */
const applies = (equality: LiveEntry, data: ReadonlyArray<LiveEntry>) => {
  const everywhere = Object.keys(equality.entry.data_file.partition).length === 0
  const partition = partitionOf(equality)
  return data.some((one) => sequenceOf(one) < sequenceOf(equality) && (everywhere || partitionOf(one) === partition))
}

const split = Effect.fnUntraced(function* (entries: ReadonlyArray<LiveEntry>) {
  const of = (content: number) => entries.filter(({ entry }) => entry.data_file.content === content)
  const data = of(Manifest.content.data)
  const positions = of(Manifest.content.positionDeletes)
  for (const { entry, path } of [...data, ...positions]) {
    const format = entry.data_file.file_format.toUpperCase()
    if (format !== "PARQUET") return yield* unsupported(path, `is in the format ${format}; Floe reads only Parquet`)
  }
  for (const equality of of(Manifest.content.equalityDeletes)) {
    if (!applies(equality, data)) continue
    return yield* unsupported(
      equality.path,
      "deletes rows by their values (equality deletes), which Floe cannot apply; rewrite the table's data files with the engine that wrote it"
    )
  }
  if (positions.length === 0) return { files: data, touched: [], deletes: [] }
  const isTouched = mayTouch(positions)
  const touched = data.filter(isTouched)
  if (touched.length === 0) return { files: data, touched, deletes: [] }
  const those = new Set(touched)
  return { files: data.filter((one) => !those.has(one)), touched, deletes: positions }
})

const columnsOf = (metadata: Metadata.TableMetadata, snapshot: Metadata.Snapshot): ReadonlyArray<Column> => {
  const current = metadata["current-schema-id"]
  const id = snapshot["snapshot-id"] === metadata["current-snapshot-id"] ? current : (snapshot["schema-id"] ?? current)
  const schema = metadata.schemas.find((one) => one["schema-id"] === id)
  return (schema?.fields ?? []).map(({ id, name, type }) => ({
    id,
    name,
    type,
    types: metadata.schemas.flatMap(({ fields }) => fields.filter((field) => field.id === id).map(({ type }) => type))
  }))
}

export const scanOf = Effect.fnUntraced(function* (
  { metadata, snapshot }: Pick<CurrentMetadata, "metadata" | "snapshot">,
  entries: ReadonlyArray<LiveEntry>
): Effect.fn.Return<TableScan, TableBroken> {
  const { deletes, files, touched } = yield* split(entries)
  return {
    columns: columnsOf(metadata, snapshot),
    changed: !Metadata.hasFirstColumns(metadata),
    files: files.map(toTableFile),
    touched: touched.map(paired),
    deletes: deletes.map(paired)
  }
})

export const readScan = Effect.fn("TableScan.readScan")(function* (
  tableFolder: string,
  current: Pick<CurrentMetadata, "metadata" | "snapshot">
) {
  return yield* scanOf(current, yield* readEntries(tableFolder, current))
})
