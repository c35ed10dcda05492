/** Stages rows in DuckDB and writes them to Parquet files, one per partition. */
import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import type { DuckDBConnection } from "@duckdb/node-api"
import { Effect, Schema } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { columns, type WeatherRecord } from "../../../services/Weather.ts"
import { DuckDBInstance } from "./duckdb.ts"
import { filename } from "./literals.ts"
import * as sql from "./parquetSql.ts"
import { execute, stop, unavailable } from "./statements.ts"
import * as WrittenFile from "./WrittenFile.ts"

export interface ParquetWriterOptions {
  /** DuckDB's memory limit; beyond it DuckDB spills to `tempFolder`. */
  readonly memoryMegabytes: number
  readonly tempFolder: string
}

const decodeNames = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ file_name: Schema.String })))

const removePartial = (folder: string, prefix: string, partitions: Iterable<string>) =>
  Effect.promise(async () => {
    for (const ts of partitions) {
      const partition = join(folder, `ts=${ts}`)
      const names = await readdir(partition).catch(() => [])
      for (const name of names.filter((name) => name.startsWith(prefix))) {
        await rm(join(partition, name), { force: true }).catch(() => undefined)
      }
    }
  })

/** DuckDB keeps this many files open, of about 100 KB each; with more partitions it splits them into several files. */
const maxOpenPartitions = 100

const inGroups = (partitions: Iterable<string>) => {
  const ordered = [...partitions].sort()
  return Array.from({ length: Math.ceil(ordered.length / maxOpenPartitions) }, (_, i) =>
    ordered.slice(i * maxOpenPartitions, (i + 1) * maxOpenPartitions)
  )
}

interface Copy {
  readonly operation: string
  readonly source: string
  readonly folder: string
  /** Part of the name of every file that this writer creates. */
  readonly writer: string
  readonly partitions: ReadonlySet<string>
}

/** Calls of `stage` and `flush` must not overlap; `merge` may run beside them. */
export const make = Effect.fn("ParquetWriter.make")(function* (options: ParquetWriterOptions) {
  const random = yield* SecureRandom.SecureRandom
  const instance = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: () =>
        DuckDBInstance.create(":memory:", {
          memory_limit: `${options.memoryMegabytes}MB`,
          temp_directory: options.tempFolder,
          threads: "2",
          preserve_insertion_order: "false",
          partitioned_write_flush_threshold: "65536",
          // Without these three, DuckDB's allocator keeps 140 MB more after 5,000 small statements.
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
    // A connection that is closed while a statement runs keeps the process from ever ending.
    (connection) => Effect.andThen(stop(connection), () => Effect.sync(() => connection.closeSync()))
  )
  const staging = yield* connect
  const merging = yield* connect
  yield* execute(staging, "starting DuckDB", sql.settings)
  yield* execute(staging, "starting DuckDB", sql.createStaged)

  let rows = 0
  let bytes = 0
  const partitions = new Set<string>()

  const copy = Effect.fnUntraced(function* (connection: DuckDBConnection, { operation, source, ...target }: Copy) {
    const prefix = `${target.writer}-${(yield* random.uuidV4()).slice(0, 8)}`
    const copyGroup = (group: ReadonlyArray<string>) =>
      execute(
        connection,
        operation,
        sql.copyTo(sql.rowsBetween(source, group[0] ?? "", group.at(-1) ?? ""), target.folder, prefix)
      ).pipe(Effect.flatMap((rows) => Effect.mapError(WrittenFile.decode(rows), unavailable(operation))))
    const groups = yield* Effect.forEach(inGroups(target.partitions), copyGroup).pipe(
      Effect.onError(() => removePartial(target.folder, prefix, target.partitions))
    )
    return groups.flat()
  })

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
      // Otherwise it appends the rows that it still holds when it is garbage-collected.
      appender.clear()
      await staging.run("ROLLBACK").catch(() => undefined)
      throw cause
    }
    rows += records.length
    bytes += characters
    for (const record of records) partitions.add(record.ts)
  }

  const clearStaged = Effect.fnUntraced(function* (operation: string) {
    yield* execute(staging, operation, sql.createStaged)
    rows = 0
    bytes = 0
    partitions.clear()
  })

  return {
    /** Stages all of the records or, on failure, none. */
    stage: (records: ReadonlyArray<WeatherRecord>) =>
      Effect.uninterruptible(Effect.tryPromise({ try: () => append(records), catch: unavailable("staging") })),
    /** How many rows, and about how many bytes, are staged. */
    staged: () => ({ rows, bytes }),
    /** Writes the staged rows to new files of `folder`, not yet synced. On failure they stay staged and no file is left. */
    flush: Effect.fn("ParquetWriter.flush")(function* (folder: string, writer: string) {
      if (rows === 0) return []
      const operation = "writing Parquet files"
      const files = yield* copy(staging, { operation, source: "staged", folder, writer, partitions })
      yield* clearStaged(operation)
      return files
    }, Effect.uninterruptible),
    discard: Effect.suspend(() => (rows === 0 ? Effect.void : clearStaged("discarding staged rows"))).pipe(
      Effect.uninterruptible
    ),
    /**
     * Writes a copy of a position delete file whose data files were moved from one folder to another, not yet synced.
     * Returns its size in bytes.
     */
    moveDeletes: Effect.fn("ParquetWriter.moveDeletes")(
      (file: string, to: string, moved: { readonly from: string; readonly to: string }) =>
        execute(merging, "moving deleted rows", sql.copyDeletes(file, to, moved)).pipe(
          Effect.andThen(Effect.tryPromise({ try: () => stat(to), catch: unavailable("moving deleted rows") })),
          Effect.map(({ size }) => size),
          Effect.onError(() => Effect.promise(() => rm(to, { force: true }).catch(() => undefined)))
        )
    ),
    /** Those of these files that have the table's own columns and no others. */
    withOwnColumns: Effect.fn("ParquetWriter.withOwnColumns")(function* <F extends { readonly path: string }>(
      files: ReadonlyArray<F>
    ) {
      const operation = "reading the columns of Parquet files"
      const rows = yield* execute(merging, operation, sql.ownColumnsOnly(files))
      const decoded = yield* Effect.mapError(decodeNames(rows), unavailable(operation))
      const names = new Set(decoded.map(({ file_name }) => file_name))
      return files.filter(({ path }) => names.has(filename(path)))
    }),
    /**
     * Writes the rows of these files to new ones of `folder`, not yet synced. `byId` identifies columns by field id, for
     * a table whose columns were renamed. On failure or interruption no new file is left.
     */
    merge: Effect.fn("ParquetWriter.merge")(
      (
        folder: string,
        writer: string,
        files: ReadonlyArray<{ readonly path: string; readonly ts: string }>,
        byId: boolean
      ) =>
        copy(merging, {
          operation: "merging Parquet files",
          source: sql.readFiles(files, byId),
          folder,
          writer,
          partitions: new Set(files.map(({ ts }) => ts))
        })
    )
  }
})
export type ParquetWriter = Effect.Success<ReturnType<typeof make>>
