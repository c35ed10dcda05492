/** The SQL that writes and inspects the table's Parquet files. */
import { duckType, named } from "../schema/duckTypes.ts"
import type { FieldType } from "../schema/fields.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import { list, pattern, quoted } from "./literals.ts"

const idsOf = (id: number, type: FieldType): string => {
  if (typeof type === "string") return String(id)
  const inner =
    type.type === "struct"
      ? type.fields.map((field) => `${named(field.name)}: ${idsOf(field.id, field.type)}`)
      : type.type === "list"
        ? [`element: ${idsOf(type["element-id"], type.element)}`]
        : [`key: ${idsOf(type["key-id"], type.key)}`, `value: ${idsOf(type["value-id"], type.value)}`]
  return `{__duckdb_field_id: ${id}, ${inner.join(", ")}}`
}

const fieldIds = ({ schema }: TableSpec) =>
  `{${schema.fields.map(({ id, name, type }) => `${named(name)}: ${idsOf(id, type)}`).join(", ")}}`

/** The table's columns, and after them the texts of the partition's values. */
const columnsOf = ({ hasHiveLayout, partitions, schema }: TableSpec) => {
  const texts = hasHiveLayout
    ? []
    : partitions.map(({ folder, source, text }) => `${text(named(source.name))} AS ${named(folder)}`)
  return [...schema.fields.map(({ name }) => named(name)), ...texts].join(", ")
}

/** The rows of a query that gives the table's columns, one file per partition, named after `prefix`; reports the statistics of each file. */
export const copyTo = (spec: TableSpec, source: string, folder: string, prefix: string) => {
  const { hasHiveLayout, partitions } = spec
  const partitioned = [
    `PARTITION_BY (${partitions.map((field) => named(field.folder)).join(", ")})`,
    ...(hasHiveLayout ? ["WRITE_PARTITION_COLUMNS true"] : []),
    "OVERWRITE_OR_IGNORE true",
    `FILENAME_PATTERN ${quoted(`${prefix}-{uuid}`)}`
  ]
  const options = ["FORMAT parquet", "COMPRESSION zstd", "RETURN_STATS", `FIELD_IDS ${fieldIds(spec)}`]
  const to = partitions.length === 0 ? `${folder}/${prefix}-0.parquet` : folder
  return `COPY (SELECT ${columnsOf(spec)} FROM ${source}) TO ${quoted(to)} (
    ${[...options, ...(partitions.length === 0 ? [] : partitioned)].join(", ")}
  )`
}

const columnsById = ({ schema }: TableSpec) =>
  `schema = MAP {${schema.fields
    .map(
      ({ id, name, type }) =>
        `${id}: {name: ${quoted(name)}, type: ${quoted(duckType(type) ?? "")}, default_value: NULL}`
    )
    .join(", ")}}`

/** The rows of these files. `byId` identifies columns by field id, for files whose columns were renamed. */
export const readFiles = (spec: TableSpec, files: ReadonlyArray<{ readonly path: string }>, byId: boolean) => {
  const options = ["hive_partitioning = false", ...(byId ? [columnsById(spec)] : [])]
  return `read_parquet(${[list(files.map(({ path }) => pattern(path))), ...options].join(", ")})`
}

/** The whole texts of a file's partition, by folder name. */
export const partitionTexts = (spec: TableSpec, path: string) => {
  const texts = spec.partitions.map(
    ({ folder, source, wholeText }) => `${wholeText(named(source.name))} AS ${named(folder)}`
  )
  return `SELECT ${texts.join(", ")} FROM ${readFiles(spec, [{ path }], false)} LIMIT 1`
}

/** The names of those files that have no columns but those that the stream has or had. */
export const ownColumnsOnly = ({ stream }: TableSpec, files: ReadonlyArray<{ readonly path: string }>) => {
  const ids = Object.values(stream.ids).join(", ")
  return `SELECT file_name FROM parquet_schema(${list(files.map(({ path }) => pattern(path)))}) WHERE num_children IS NULL
    GROUP BY file_name HAVING count(*) = count(*) FILTER (WHERE field_id IN (${ids}))`
}

/** Field ids and sort order are those that the Iceberg specification gives position delete files. */
export const copyDeletes = (file: string, to: string, moved: { readonly from: string; readonly to: string }) => {
  const path = "regexp_replace(file_path, '^file:(//)?/', '/')"
  const isMoved = `starts_with(${path}, ${quoted(`${moved.from}/`)})`
  const place = `${quoted(moved.to)} || substr(${path}, ${[...moved.from].length + 1})`
  return `COPY (
    SELECT CASE WHEN ${isMoved} THEN ${place} ELSE file_path END AS file_path, pos
    FROM read_parquet(${quoted(pattern(file))}, hive_partitioning = false) ORDER BY 1, 2
  ) TO ${quoted(to)} (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {file_path: 2147483546, pos: 2147483545})`
}

/**
 * DuckDB otherwise fixes the spill limit at the disk's free space at first use, which is 0 on a full disk, and caches
 * merged files although each is read once. It ignores this limit as an option of the instance.
 */
export const settings =
  "SET max_temp_directory_size = '64GB'; SET enable_external_file_cache = false; SET GLOBAL TimeZone = 'UTC'"

/** DuckDB's JSON reader allocates buffers of 32 MB, three of them with two threads. */
export const memoryForJson = "SET GLOBAL memory_limit = '224MB'"
