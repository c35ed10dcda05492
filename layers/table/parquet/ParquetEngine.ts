/** The DuckDB in which the tables of a process write their Parquet files: one memory limit for all of them. */
import { Effect, Semaphore } from "effect"
import { register as registerBuckets } from "./bucketFunctions.ts"
import { DuckDBInstance } from "./duckdb.ts"
import { settings } from "./parquetSql.ts"
import { execute, stop, unavailable } from "./statements.ts"

export interface ParquetEngineOptions {
  /** DuckDB's memory limit; beyond it DuckDB spills to `tempFolder`. */
  readonly memoryMegabytes: number
  readonly tempFolder: string
}

export const make = Effect.fn("ParquetEngine.make")(function* (options: ParquetEngineOptions) {
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
  const configured = yield* Semaphore.make(1)
  let isConfigured = false
  const connect = Effect.acquireRelease(
    Effect.tryPromise({ try: () => instance.connect(), catch: unavailable("starting DuckDB") }),
    // A connection that is closed while a statement runs keeps the process from ever ending.
    (connection) => Effect.andThen(stop(connection), () => Effect.sync(() => connection.closeSync()))
  ).pipe(
    Effect.tap((connection) =>
      isConfigured
        ? Effect.void
        : Effect.andThen(execute(connection, "starting DuckDB", settings), () =>
            Effect.sync(() => {
              registerBuckets(connection)
              isConfigured = true
            })
          )
    ),
    configured.withPermit
  )

  return {
    tempFolder: options.tempFolder,
    /** A connection that closes with the scope. */
    connect,
    /** Of all tables, one writes staged rows and one merges files at a time. */
    flushing: yield* Semaphore.make(1),
    merging: yield* Semaphore.make(1)
  }
})
export type ParquetEngine = Effect.Success<ReturnType<typeof make>>
