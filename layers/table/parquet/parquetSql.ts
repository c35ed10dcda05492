/** The SQL that writes and inspects the table's Parquet files. */
import { columns } from "../../../services/Weather.ts"
import { list, pattern, quoted } from "./literals.ts"

/** One file per partition, named after `prefix`; reports the statistics of each. */
export const copyTo = (query: string, folder: string, prefix: string) => `
  COPY (${query}) TO ${quoted(folder)} (
    FORMAT parquet, COMPRESSION zstd, PARTITION_BY (ts), WRITE_PARTITION_COLUMNS true, OVERWRITE_OR_IGNORE true,
    FILENAME_PATTERN ${quoted(`${prefix}-{uuid}`)}, RETURN_STATS,
    FIELD_IDS {${columns.map((column, i) => `${column}: ${i + 1}`).join(", ")}}
  )`

export const rowsBetween = (source: string, first: string, last: string) =>
  `SELECT ${columns.join(", ")} FROM ${source} WHERE ts BETWEEN ${quoted(first)} AND ${quoted(last)}`

const columnsById = `schema = MAP {${columns
  .map((column, i) => `${i + 1}: {name: ${quoted(column)}, type: 'VARCHAR', default_value: NULL}`)
  .join(", ")}}`

/** The rows of these files. `byId` identifies columns by field id, for files whose columns were renamed. */
export const readFiles = (files: ReadonlyArray<{ readonly path: string }>, byId: boolean) => {
  const options = ["hive_partitioning = false", ...(byId ? [columnsById] : [])]
  return `read_parquet(${[list(files.map(({ path }) => pattern(path))), ...options].join(", ")})`
}

/** The names of those files that have the table's own columns and no others. */
export const ownColumnsOnly = (files: ReadonlyArray<{ readonly path: string }>) => {
  const ids = columns.map((_, i) => i + 1).join(", ")
  return `SELECT file_name FROM parquet_schema(${list(files.map(({ path }) => pattern(path)))}) WHERE num_children IS NULL
    GROUP BY file_name HAVING count(*) = ${columns.length} AND count(*) FILTER (WHERE field_id IN (${ids})) = ${columns.length}`
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
export const settings = "SET max_temp_directory_size = '64GB'; SET enable_external_file_cache = false"

export const createStaged = `CREATE OR REPLACE TABLE staged (${columns.map((column) => `${column} VARCHAR`).join(", ")})`
