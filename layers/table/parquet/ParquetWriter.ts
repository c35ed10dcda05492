/** Rows into Parquet files by an in-process DuckDB: a folder per partition, field ids, and the statistics that manifests need. */
import { randomUUID } from "node:crypto"
import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import type { DuckDBConnection } from "@duckdb/node-api"
import { Effect, Schema } from "effect"
import { TableUnavailable } from "../../../services/Table.ts"
import { columns, type WeatherRecord } from "../../../services/Weather.ts"
import { DuckDBInstance } from "./duckdb.ts"
import { filename, list, pattern, quoted } from "./literals.ts"

export interface ColumnStatistics {
  readonly bytes: number
  readonly values: number
  readonly nulls: number
  /** The least and the greatest value by the bytes of UTF-8; absent if one of them is long. */
  readonly min: string | undefined
  readonly max: string | undefined
}

export interface WrittenFile {
  readonly path: string
  readonly ts: string
  readonly rows: number
  readonly bytes: number
  /** In the order of the table's columns. */
  readonly columns: ReadonlyArray<ColumnStatistics>
}

export interface ParquetWriterOptions {
  /** What DuckDB may use; it spills to `tempFolder` beyond it. */
  readonly memoryMegabytes: number
  readonly tempFolder: string
}

const pairs = <S extends Schema.Constraint>(value: S) => Schema.Array(Schema.Struct({ key: Schema.String, value }))
const Count = Schema.FiniteFromString.pipe(Schema.decodeTo(Schema.Int))
const decodeWritten = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      filename: Schema.String,
      count: Count,
      file_size_bytes: Count,
      column_statistics: pairs(pairs(Schema.String)),
      partition_keys: pairs(Schema.String)
    })
  )
)
type Written = Effect.Success<ReturnType<typeof decodeWritten>>[number]

const statisticsOf = (written: Written, column: string): ColumnStatistics => {
  const found = written.column_statistics.find(({ key }) => key === `"${column}"`)
  const values = Object.fromEntries(found?.value.map(({ key, value }) => [key, value]) ?? [])
  return {
    bytes: Number(values.column_size_bytes ?? 0),
    values: Number(values.num_values ?? written.count),
    nulls: Number(values.null_count ?? 0),
    min: values.min,
    max: values.max
  }
}

const toWrittenFile = (written: Written): WrittenFile => ({
  path: written.filename,
  ts: written.partition_keys.find(({ key }) => key === "ts")?.value ?? "",
  rows: written.count,
  bytes: written.file_size_bytes,
  columns: columns.map((column) => statisticsOf(written, column))
})

const copyTo = (query: string, folder: string, prefix: string) => `
  COPY (${query}) TO ${quoted(folder)} (
    FORMAT parquet, COMPRESSION zstd, PARTITION_BY (ts), WRITE_PARTITION_COLUMNS true, OVERWRITE_OR_IGNORE true,
    FILENAME_PATTERN ${quoted(`${prefix}-{uuid}`)}, RETURN_STATS,
    FIELD_IDS {${columns.map((column, i) => `${column}: ${i + 1}`).join(", ")}}
  )`

const ownSchema = `schema = MAP {${columns
  .map((column, i) => `${i + 1}: {name: ${quoted(column)}, type: 'VARCHAR', default_value: NULL}`)
  .join(", ")}}`

const ownColumnsOnly = (files: ReadonlyArray<{ readonly path: string }>) => {
  const ids = columns.map((_, i) => i + 1).join(", ")
  return `SELECT file_name FROM parquet_schema(${list(files.map(({ path }) => pattern(path)))}) WHERE num_children IS NULL
    GROUP BY file_name HAVING count(*) = ${columns.length} AND count(*) FILTER (WHERE field_id IN (${ids})) = ${columns.length}`
}

/** The ids are the specification's, and so is the order. */
const copyDeletes = (file: string, to: string, moved: { readonly from: string; readonly to: string }) => {
  const path = "regexp_replace(file_path, '^file:(//)?/', '/')"
  const isMoved = `starts_with(${path}, ${quoted(`${moved.from}/`)})`
  const place = `${quoted(moved.to)} || substr(${path}, ${[...moved.from].length + 1})`
  return `COPY (
    SELECT CASE WHEN ${isMoved} THEN ${place} ELSE file_path END AS file_path, pos
    FROM read_parquet(${quoted(pattern(file))}, hive_partitioning = false) ORDER BY 1, 2
  ) TO ${quoted(to)} (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {file_path: 2147483546, pos: 2147483545})`
}

const decodeNames = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ file_name: Schema.String })))

/**
 * What is spilled is otherwise limited to what the disk has free at the first use, for ever: to nothing if it is full then;
 * and files that are merged, each read once, would stay in the cache. The limit is not heeded as an option of the instance.
 */
const settings = "SET max_temp_directory_size = '64GB'; SET enable_external_file_cache = false"

const createStaged = `CREATE OR REPLACE TABLE staged (${columns.map((column) => `${column} VARCHAR`).join(", ")})`

const reasonOf = (cause: unknown) => {
  const message = cause instanceof Error ? cause.message : String(cause)
  return message.includes("No space left")
    ? "the disk is full; make room on it, and it goes on by itself"
    : (message.split("\n")[0] ?? "").replace(/\.$/, "")
}

const unavailable = (operation: string) => (cause: unknown) =>
  new TableUnavailable({ operation, reason: reasonOf(cause), cause })

/** Statements that run, by connection. */
const statements = new WeakMap<DuckDBConnection, Promise<unknown>>()

const stopStatement = (connection: DuckDBConnection) =>
  Effect.promise(async () => {
    connection.interrupt()
    await statements.get(connection)?.catch(() => undefined)
  })

/** Interrupting it stops the statement, and waits for its end. */
const execute = (connection: DuckDBConnection, operation: string, sql: string) =>
  Effect.callback<unknown, TableUnavailable>((resume) => {
    const running = connection.runAndReadAll(sql)
    statements.set(connection, running)
    running.then(
      (result) => resume(Effect.sync(() => result.getRowObjectsJson())),
      (cause) => resume(Effect.fail(unavailable(operation)(cause)))
    )
    return stopStatement(connection)
  })

/** Part of the files of a statement that failed may be there. */
const removeParts = (folder: string, prefix: string, partitions: Iterable<string>) =>
  Effect.promise(async () => {
    for (const ts of partitions) {
      const partition = join(folder, `ts=${ts}`)
      const names = await readdir(partition).catch(() => [])
      for (const name of names.filter((name) => name.startsWith(prefix))) {
        await rm(join(partition, name), { force: true }).catch(() => undefined)
      }
    }
  })

/** DuckDB keeps as many files open, and starts further ones in place of those that it closes; each takes about 100 KB. */
const mostPartitions = 100

const inGroups = (partitions: Iterable<string>) => {
  const ordered = [...partitions].sort()
  return Array.from({ length: Math.ceil(ordered.length / mostPartitions) }, (_, i) =>
    ordered.slice(i * mostPartitions, (i + 1) * mostPartitions)
  )
}

/** Writes the rows of `source` into new files, a group of partitions after the other. On failure or interruption none is left. */
const copy = Effect.fnUntraced(function* (
  connection: DuckDBConnection,
  operation: string,
  source: string,
  folder: string,
  writer: string,
  partitions: ReadonlySet<string>
) {
  const prefix = `${writer}-${randomUUID().slice(0, 8)}`
  const groups = yield* Effect.forEach(inGroups(partitions), (group) =>
    execute(
      connection,
      operation,
      copyTo(
        `SELECT ${columns.join(", ")} FROM ${source} WHERE ts BETWEEN ${quoted(group[0] ?? "")} AND ${quoted(group.at(-1) ?? "")}`,
        folder,
        prefix
      )
    ).pipe(Effect.flatMap((rows) => Effect.mapError(decodeWritten(rows), unavailable(operation))))
  ).pipe(Effect.onError(() => removeParts(folder, prefix, partitions)))
  return groups.flat().map(toWrittenFile)
})

/** Calls of `stage` and `flush` must follow each other; `merge` may run at the same time. */
export const make = Effect.fn("ParquetWriter.make")(function* (options: ParquetWriterOptions) {
  const instance = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        DuckDBInstance.create(":memory:", {
          memory_limit: `${options.memoryMegabytes}MB`,
          temp_directory: options.tempFolder,
          threads: "2",
          preserve_insertion_order: "false",
          partitioned_write_flush_threshold: "65536",
          // Otherwise its allocator keeps what thousands of small statements have freed: 140 MB more after 5,000 of them.
          allocator_flush_threshold: "1MB",
          allocator_bulk_deallocation_flush_threshold: "1MB",
          allocator_background_threads: "true",
          autoinstall_known_extensions: "false",
          autoload_known_extensions: "false"
        }),
      catch: unavailable("starting DuckDB")
    }),
    (instance) => Effect.sync(() => instance.closeSync())
  )
  const connect = Effect.acquireRelease(
    Effect.tryPromise({ try: () => instance.connect(), catch: unavailable("starting DuckDB") }),
    // Closed while a statement runs, such as a last commit that takes too long, it would keep the process from ever ending.
    (connection) => Effect.andThen(stopStatement(connection), () => Effect.sync(() => connection.closeSync()))
  )
  const staging = yield* connect
  const merging = yield* connect
  yield* execute(staging, "starting DuckDB", settings)
  yield* execute(staging, "starting DuckDB", createStaged)

  let rows = 0
  let bytes = 0
  const partitions = new Set<string>()

  const append = async (records: ReadonlyArray<WeatherRecord>) => {
    let characters = 0
    const appender = await staging.createAppender("staged")
    await staging.run("BEGIN")
    try {
      for (const record of records) {
        for (const column of columns) appender.appendVarchar(record[column])
        appender.endRow()
        characters += record.city.length + record.temperature.length
      }
      appender.closeSync()
      await staging.run("COMMIT")
    } catch (cause) {
      // It would append what it still holds when it is collected as garbage.
      appender.clear()
      // A commit that fails has rolled back already.
      await staging.run("ROLLBACK").catch(() => undefined)
      throw cause
    }
    rows += records.length
    bytes += characters
    for (const record of records) partitions.add(record.ts)
  }

  return {
    /** All of the records or, on failure, none. */
    stage: (records: ReadonlyArray<WeatherRecord>) =>
      Effect.uninterruptible(Effect.tryPromise({ try: () => append(records), catch: unavailable("staging") })),
    /** What is staged now: rows, and about how many bytes. */
    staged: () => ({ rows, bytes }),
    /** Writes what is staged into new files of `folder`, not yet synced. On failure it stays staged and no file is left. */
    flush: Effect.fn("ParquetWriter.flush")(function* (folder: string, writer: string) {
      if (rows === 0) return []
      const files = yield* copy(staging, "writing Parquet files", "staged", folder, writer, partitions)
      yield* execute(staging, "writing Parquet files", createStaged)
      rows = 0
      bytes = 0
      partitions.clear()
      return files
    }, Effect.uninterruptible),
    /** Forgets what is staged. */
    discard: Effect.gen(function* () {
      if (rows === 0) return
      yield* execute(staging, "discarding staged rows", createStaged)
      rows = 0
      bytes = 0
      partitions.clear()
    }).pipe(Effect.uninterruptible),
    /** Writes a file of position deletes anew, for data files that were moved from one folder to another; not yet synced. */
    moveDeletes: Effect.fn("ParquetWriter.moveDeletes")(
      (file: string, to: string, moved: { readonly from: string; readonly to: string }) =>
        execute(merging, "moving deleted rows", copyDeletes(file, to, moved)).pipe(
          Effect.andThen(Effect.tryPromise({ try: () => stat(to), catch: unavailable("moving deleted rows") })),
          Effect.map(({ size }) => size),
          Effect.onError(() => Effect.promise(() => rm(to, { force: true }).catch(() => undefined)))
        )
    ),
    /** Those of these files that have no column but the table's own ones. */
    withOwnColumns: Effect.fn("ParquetWriter.withOwnColumns")(function* <F extends { readonly path: string }>(
      files: ReadonlyArray<F>
    ) {
      const rows = yield* execute(merging, "looking at Parquet files", ownColumnsOnly(files))
      const decoded = yield* Effect.mapError(decodeNames(rows), unavailable("looking at Parquet files"))
      const names = new Set(decoded.map(({ file_name }) => file_name))
      return files.filter(({ path }) => names.has(filename(path)))
    }),
    /**
     * Writes the rows of these files into new ones of `folder`, not yet synced. `byId` knows their columns by id, where
     * their names were changed. On failure or interruption no new file is left.
     */
    merge: Effect.fn("ParquetWriter.merge")(
      (
        folder: string,
        writer: string,
        files: ReadonlyArray<{ readonly path: string; readonly ts: string }>,
        byId: boolean
      ) => {
        const options = ["hive_partitioning = false", ...(byId ? [ownSchema] : [])]
        return copy(
          merging,
          "merging Parquet files",
          `read_parquet(${[list(files.map(({ path }) => pattern(path))), ...options].join(", ")})`,
          folder,
          writer,
          new Set(files.map(({ ts }) => ts))
        )
      }
    )
  }
})
export type ParquetWriter = Effect.Success<ReturnType<typeof make>>
