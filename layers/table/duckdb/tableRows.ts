/** The rows of a snapshot as SQL, without the rows that other engines deleted, under the table's columns. */
import { Effect } from "effect"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { TableBroken } from "../../../services/TableWriter.ts"
import type { TableFile } from "../iceberg/readManifests.ts"
import type { Column, PairedFile, TableScan } from "../iceberg/TableScan.ts"
import { filename, list, pattern, quoted } from "../parquet/literals.ts"
import { duckType, hasRenamedField, named } from "../schema/duckTypes.ts"
import type { TableField } from "../schema/fields.ts"

/** A table for the engine: the files to read, and a SELECT of its rows. */
export interface TableRows {
  readonly files: ReadonlyArray<TableFile>
  readonly select: string
  /** Data files whose columns must have ids: without ids, they would silently be NULL. */
  readonly byId: ReadonlyArray<TableFile>
  /** A file of JSON lines to read in their place. */
  readonly lines?: string
}

const hour = /^\d{4}-\d\d-\d\d-\d\d$/

/**
 * Whether the engine may take `ts` from the path, so that it opens only the partitions that it needs. It takes every
 * `name=value` in a path for a column, even above the table; with such a folder it must open each file.
 */
const isPartitioned = ({ path, ts }: TableFile) => {
  const at = path.indexOf("=")
  if (ts === undefined || at < 0 || at !== path.lastIndexOf("=")) return false
  const end = path.lastIndexOf("/")
  return path.slice(path.lastIndexOf("/", end - 1) + 1, end) === `ts=${ts}` && hour.test(ts)
}

interface Selected extends Column {
  readonly as: string
}

/** Identifies columns by id. Their names (`c1`) differ from those of the columns that the engine adds. */
const schemaOf = (columns: ReadonlyArray<Selected>) => {
  const entries = columns.map(
    ({ id, type }) => `${id}: {name: 'c${id}', type: ${quoted(`${duckType(type)}`)}, default_value: NULL}`
  )
  return `schema = MAP {${entries.join(", ")}}`
}

const read = (files: ReadonlyArray<TableFile>, options: ReadonlyArray<string>) =>
  `read_parquet(${[list(files.map(({ path }) => pattern(path))), ...options].join(", ")})`

/** Path and position of each deleted row. A delete file applies to data files of its partition that are not newer. */
const deletedRows = (touched: ReadonlyArray<PairedFile>, deletes: ReadonlyArray<PairedFile>) => {
  const values = (files: ReadonlyArray<PairedFile>) =>
    files
      .map(
        ({ partition, path, recorded, sequence }) =>
          `(${[quoted(filename(path)), quoted(recorded), sequence, quoted(partition)].join(", ")})`
      )
      .join(", ")
  return `SELECT data.path, deleted.pos
    FROM ${read(deletes, ["hive_partitioning = false", "filename = true"])} AS deleted
    JOIN (VALUES ${values(deletes)}) AS file(path, recorded, sequence, part) ON deleted.filename = file.path
    JOIN (VALUES ${values(touched)}) AS data(path, recorded, sequence, part)
      ON deleted.file_path = data.recorded AND data.part = file.part AND data.sequence <= file.sequence`
}

/** A table with these columns and no rows. */
export const emptyRows = (fields: ReadonlyArray<TableField>): TableRows => ({
  files: [],
  byId: [],
  select: noRows(fields.map(({ id, name, type }) => ({ id, name, as: name, type, types: [] })))
})

const noRows = (columns: ReadonlyArray<Selected>) =>
  `SELECT ${columns.map(({ as, type }) => `NULL::${duckType(type)} AS ${named(as)}`).join(", ")} WHERE false`

const select = (scan: TableScan, columns: ReadonlyArray<Selected>) => {
  const { changed, deletes, files, touched } = scan
  const listed = columns.map(({ as, id, name }) => `${changed ? `c${id}` : named(name)} AS ${named(as)}`).join(", ")
  const byId = changed ? [schemaOf(columns)] : []
  const partitioned = changed ? [] : files.filter(isPartitioned)
  const others = partitioned.length === files.length ? [] : files.filter((file) => changed || !isPartitioned(file))
  const parts: Array<string> = []
  if (partitioned.length > 0) {
    const options = ["hive_partitioning = true", "hive_types = {ts: VARCHAR}"]
    parts.push(`SELECT ${listed} FROM ${read(partitioned, options)}`)
  }
  if (others.length > 0) {
    parts.push(`SELECT ${listed} FROM ${read(others, ["hive_partitioning = false", ...byId])}`)
  }
  if (touched.length > 0) {
    const options = ["hive_partitioning = false", "filename = true", "file_row_number = true", ...byId]
    parts.push(`SELECT ${listed} FROM ${read(touched, options)} AS kept
      ANTI JOIN (${deletedRows(touched, deletes)}) AS gone ON kept.filename = gone.path AND kept.file_row_number = gone.pos`)
  }
  return parts.length === 0 ? noRows(columns) : parts.join("\nUNION ALL ")
}

const unsupported = (file: string, reason: string) => Effect.fail(new TableBroken({ file, reason, unsupported: true }))

const rowsWith = Effect.fnUntraced(function* (tableFolder: string, scan: TableScan, columns: ReadonlyArray<Selected>) {
  for (const { name, type, types } of columns) {
    if (duckType(type) === undefined) {
      return yield* unsupported(
        tableFolder,
        `has a column ${name} of type ${JSON.stringify(type)}, which Floe cannot read`
      )
    }
    if (hasRenamedField(types)) {
      return yield* unsupported(
        tableFolder,
        `has a column ${name} with a renamed nested field, which Floe does not support`
      )
    }
  }
  const data = [...scan.files, ...scan.touched]
  const rows: TableRows = {
    files: [...data, ...scan.deletes],
    select: select(scan, columns),
    byId: scan.changed ? data : []
  }
  return rows
})

/** All columns of the table, under their current names. */
export const allRows = (tableFolder: string, scan: TableScan) =>
  rowsWith(
    tableFolder,
    scan,
    scan.columns.map((column) => ({ ...column, as: column.name }))
  )

/** The columns that the sink writes, under the names of the stream's definition. */
export const logRows = Effect.fnUntraced(function* (
  tableFolder: string,
  scan: TableScan,
  { definition, ids }: AppliedStream
) {
  const columns: Array<Selected> = []
  for (const { name: as } of definition.columns) {
    const column = scan.columns.find(({ id }) => id === ids[as])
    if (column === undefined) {
      return yield* unsupported(tableFolder, `no longer has the column ${as}: another program has dropped it`)
    }
    columns.push({ ...column, as })
  }
  return yield* rowsWith(tableFolder, scan, columns)
})
