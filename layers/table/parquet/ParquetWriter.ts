/** Stages rows and writes them to Parquet files, one per partition. */
import { readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import type { DuckDBConnection } from "@duckdb/node-api"
import { Effect, Schema } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import type { LogRecord } from "../../../services/EventLog.ts"
import type { TableSpec } from "../schema/TableSpec.ts"
import { isDigest } from "../schema/transforms.ts"
import { filename } from "./literals.ts"
import type * as ParquetEngine from "./ParquetEngine.ts"
import * as sql from "./parquetSql.ts"
import * as StagedLines from "./stagedLines.ts"
import * as StagedWeather from "./stagedWeather.ts"
import { execute, unavailable } from "./statements.ts"
import * as WrittenFile from "./WrittenFile.ts"

const decodeNames = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ file_name: Schema.String })))

const decodeTexts = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Record(Schema.String, Schema.NullOr(Schema.String))])
)

const removePartial = (folder: string, prefix: string) =>
  Effect.promise(async () => {
    const paths = await readdir(folder, { recursive: true }).catch(() => [])
    for (const path of paths.filter((path) => path.slice(path.lastIndexOf("/") + 1).startsWith(prefix))) {
      await rm(join(folder, path), { force: true }).catch(() => undefined)
    }
  })

/** DuckDB keeps this many files open, of about 100 KB each; with more partitions it splits them into several files. */
const maxOpenPartitions = 100

interface Copy {
  readonly operation: string
  readonly spec: TableSpec
  readonly sources: ReadonlyArray<string>
  readonly folder: string
  /** Part of the name of every file that this writer creates. */
  readonly writer: string
}

interface Mergeable {
  readonly path: string
  /** The key of its partition. */
  readonly partition: string
}

/** The files of at most `maxOpenPartitions` partitions each. */
const inGroups = (files: ReadonlyArray<Mergeable>) => {
  const partitions = [...Map.groupBy(files, ({ partition }) => partition)].sort(([a], [b]) => (a < b ? -1 : 1))
  return Array.from({ length: Math.ceil(partitions.length / maxOpenPartitions) }, (_, i) =>
    partitions.slice(i * maxOpenPartitions, (i + 1) * maxOpenPartitions).flatMap(([, some]) => some)
  )
}

export interface ParquetWriterOptions {
  /** The table as it is now: a new version of its stream may have more columns. */
  readonly spec: () => TableSpec
  readonly engine: ParquetEngine.ParquetEngine
}

/** Calls of `stage` and `flush` must not overlap; `merge` may run beside them. */
export const make = Effect.fn("ParquetWriter.make")(function* ({ engine, spec }: ParquetWriterOptions) {
  const random = yield* SecureRandom.SecureRandom
  const connection = yield* engine.connect
  const merging = yield* engine.connect
  if (!spec().hasHiveLayout) yield* execute(connection, "starting DuckDB", sql.memoryForJson)
  const staging = spec().hasHiveLayout
    ? yield* StagedWeather.make(connection, maxOpenPartitions)
    : yield* StagedLines.make({
        connection,
        tempFolder: engine.tempFolder,
        name: `staged-${yield* random.uuidV4()}`,
        maxPartitions: maxOpenPartitions
      })

  /** The COPY has reported only digests of long texts. */
  const withWholeTexts = Effect.fnUntraced(function* (
    on: DuckDBConnection,
    { operation, spec }: Pick<Copy, "operation" | "spec">,
    file: WrittenFile.CopiedFile
  ) {
    if (![...file.texts.values()].some((text) => text !== null && isDigest(text))) return file.in(file.texts)
    const rows = yield* execute(on, operation, sql.partitionTexts(spec, file.path))
    const [texts] = yield* Effect.mapError(decodeTexts(rows), unavailable(operation))
    return file.in(new Map(Object.entries(texts)))
  })

  const copy = Effect.fnUntraced(function* (on: DuckDBConnection, { folder, operation, sources, spec, writer }: Copy) {
    const prefix = `${writer}-${(yield* random.uuidV4()).slice(0, 8)}`
    const copyOne = (source: string) =>
      execute(on, operation, sql.copyTo(spec, source, folder, prefix)).pipe(
        Effect.flatMap((rows) => Effect.mapError(WrittenFile.decode(spec, rows), unavailable(operation))),
        Effect.flatMap((files) => Effect.forEach(files, (file) => withWholeTexts(on, { operation, spec }, file)))
      )
    const files = yield* Effect.forEach(sources, copyOne).pipe(Effect.onError(() => removePartial(folder, prefix)))
    return files.flat()
  })

  return {
    /** Stages all of the records or, on failure, none. */
    stage: (records: ReadonlyArray<LogRecord>) =>
      Effect.uninterruptible(Effect.tryPromise({ try: () => staging.append(records), catch: unavailable("staging") })),
    /** How many rows, and about how many bytes, are staged. */
    staged: staging.staged,
    /** Writes the staged rows to new files of `folder`, not yet synced. On failure they stay staged and no file is left. */
    flush: Effect.fn("ParquetWriter.flush")(function* (folder: string, writer: string) {
      if (staging.staged().rows === 0) return []
      const operation = "writing Parquet files"
      const now = spec()
      const copying = Effect.flatMap(staging.sources(now), (sources) =>
        copy(connection, { operation, spec: now, sources, folder, writer })
      )
      const files = yield* engine.flushing.withPermit(copying)
      yield* staging.clear(operation)
      return files
    }, Effect.uninterruptible),
    discard: Effect.suspend(() =>
      staging.staged().rows === 0 ? Effect.void : staging.clear("discarding staged rows")
    ).pipe(Effect.uninterruptible),
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
      const rows = yield* execute(merging, operation, sql.ownColumnsOnly(spec(), files))
      const decoded = yield* Effect.mapError(decodeNames(rows), unavailable(operation))
      const names = new Set(decoded.map(({ file_name }) => file_name))
      return files.filter(({ path }) => names.has(filename(path)))
    }),
    /**
     * Writes the rows of these files to new ones of `folder`, not yet synced. `byId` identifies columns by field id, for
     * a table whose columns were renamed. On failure or interruption no new file is left.
     */
    merge: Effect.fn("ParquetWriter.merge")(
      (folder: string, writer: string, files: ReadonlyArray<Mergeable>, byId: boolean) => {
        const now = spec()
        return engine.merging.withPermit(
          copy(merging, {
            operation: "merging Parquet files",
            spec: now,
            sources: inGroups(files).map((group) => sql.readFiles(now, group, byId)),
            folder,
            writer
          })
        )
      }
    )
  }
})
export type ParquetWriter = Effect.Success<ReturnType<typeof make>>
