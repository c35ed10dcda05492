/** Writes an Iceberg table on the local disk. */
import { join } from "node:path"
import { Context, Duration, Effect, Layer, Option, type Scope, Semaphore } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { LogRecord } from "../../../services/EventLog.ts"
import type { Leases } from "../../../services/Leases.ts"
import { fileGrace, snapshotKeep, timeTravel } from "../../../services/Settings.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { type Progress, TableBroken, type TableChanged, TableWriter } from "../../../services/TableWriter.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import * as Files from "../../runtime/files.ts"
import { acquire } from "../../runtime/ProcessLock.ts"
import * as ParquetEngine from "../parquet/ParquetEngine.ts"
import * as ParquetWriter from "../parquet/ParquetWriter.ts"
import type { WrittenFile } from "../parquet/WrittenFile.ts"
import { keyOf } from "../schema/partitionKey.ts"
import { make as specOf, type TableSpec, weather } from "../schema/TableSpec.ts"
import { type Failpoint, repairHint } from "./commitMetadata.ts"
import { importDataFiles, removeLinks } from "./importDataFiles.ts"
import * as LeftFiles from "./LeftFiles.ts"
import { readMetadata } from "./MetadataFiles.ts"
import * as RebuildMarker from "./RebuildMarker.ts"
import * as Removal from "./Removal.ts"
import { relocate } from "./relocate.ts"
import * as TableCommits from "./TableCommits.ts"
import * as TableMaintenance from "./TableMaintenance.ts"
import { toContentFile } from "./toContentFile.ts"

export interface TableWriterOptions {
  /** Of weather by default. */
  readonly spec?: TableSpec | undefined
  /** Shared by the tables of a process; one of its own by default. */
  readonly engine?: ParquetEngine.ParquetEngine | undefined
  /** Absolute. The caller ensures that no other Floe writes this table. */
  readonly tableFolder: string
  /** For staged rows that do not fit in memory. */
  readonly tempFolder: string
  readonly snapshotKeep: number
  /** How far back one snapshot an hour is kept beyond those, in milliseconds; 0 by default. */
  readonly timeTravel?: number | undefined
  /** How long files that left the table stay on disk, in milliseconds; 0 by default. */
  readonly fileGrace?: number | undefined
  /** How many metadata files before the current one are kept; `snapshotKeep` by default. */
  readonly metadataKeep?: number | undefined
  readonly failpoint?: Failpoint | undefined
}

/** DuckDB's memory limit, in megabytes, for staged rows, Parquet and compaction. */
const memoryMegabytes = 96
/** Staged rows beyond this many, or this many bytes of text, are written to Parquet before the commit. */
const maxStagedRows = 250_000
const maxStagedBytes = 48 * 1024 * 1024

const metadataKeep = 100

/** A writer for a table's folder, which it creates if there is none. */
export const make = Effect.fn("TableWriter.make")(function* (options: TableWriterOptions) {
  const { tableFolder } = options
  const wanted = options.spec ?? weather
  let spec = wanted
  const onSpec = (next: TableSpec) => {
    spec = next
  }
  const dataFolder = join(tableFolder, "data")
  yield* Files.makeFolder(dataFolder)
  yield* Files.makeFolder(join(tableFolder, "metadata"))
  const random = yield* SecureRandom.SecureRandom
  const writer = (yield* random.uuidV4()).slice(0, 13)
  const onDisk = yield* readMetadata(tableFolder)
  const engine = options.engine ?? (yield* ParquetEngine.make({ memoryMegabytes, tempFolder: options.tempFolder }))
  const parquet = yield* ParquetWriter.make({ spec: () => spec, engine })
  const opened = Option.isNone(onDisk)
    ? onDisk
    : Option.some(yield* relocate(tableFolder, writer, onDisk.value, parquet, options.failpoint))
  const retention = {
    snapshots: options.snapshotKeep,
    timeTravel: options.timeTravel ?? 0,
    metadataFiles: options.metadataKeep ?? options.snapshotKeep
  }
  const { failpoint } = options
  const commits = yield* TableCommits.make({ tableFolder, writer, spec, onSpec, retention, failpoint }, opened)
  if (Option.isSome(opened)) yield* repairHint(tableFolder, writer, opened.value.version)
  // For a stream that was changed while its table could not be, as after a restore.
  if (!wanted.hasHiveLayout) yield* commits.evolve(wanted)

  const staging = yield* Semaphore.make(1)
  const committing = yield* Semaphore.make(1)
  const maintaining = yield* Semaphore.make(1)
  const removal = yield* Removal.make({
    tableFolder,
    spec,
    writer,
    commits,
    left: yield* LeftFiles.make({ tableFolder, grace: options.fileGrace ?? 0 }),
    metadataKeep: retention.metadataFiles,
    whileNotStaging: staging.withPermit
  })
  const maintenance = TableMaintenance.make({ tableFolder, spec, writer, parquet, commits, removal })
  let flushed: ReadonlyArray<WrittenFile> = []
  let staged = 0
  let imports = 0
  /** How much of the log the table held when the staged rows were chosen. */
  let base = Option.getOrUndefined(commits.committed())?.progress
  /** Set when rows that should have been discarded are still staged: nothing may be committed any more. */
  let failure: TableBroken | undefined
  const ensureUsable = Effect.suspend(() => (failure === undefined ? Effect.void : Effect.fail(failure)))

  const flush = Effect.gen(function* () {
    const written = yield* parquet.flush(dataFolder, writer)
    flushed = [...flushed, ...written]
  })

  const stage = Effect.fnUntraced(function* (records: ReadonlyArray<LogRecord>) {
    if (records.length === 0) return
    const now = parquet.staged()
    if (now.rows >= maxStagedRows || now.bytes >= maxStagedBytes) yield* flush
    yield* parquet.stage(records)
    staged += records.length
  }, staging.withPermit)

  const unstage = (files: ReadonlyArray<WrittenFile>) => {
    const committed = new Set(files)
    flushed = flushed.filter((file) => !committed.has(file))
    staged -= files.reduce((rows, file) => rows + file.rows, 0)
  }

  const discard = Effect.gen(function* () {
    yield* parquet.discard.pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          failure = new TableBroken({
            file: tableFolder,
            reason: `cannot be written any further (${error.reason}); restart the sink`
          })
        })
      )
    )
    const discarded = flushed
    flushed = []
    staged = 0
    // A commit that seemed to fail may have succeeded.
    const isActive = ({ key, path }: WrittenFile) => commits.active.get(key, path) !== undefined
    const unused = discarded.filter((file) => !isActive(file))
    yield* Effect.forEach(unused, ({ path }) => Effect.ignore(Files.remove(path)), { discard: true })
  }).pipe(Effect.uninterruptible, staging.withPermit)

  const startAgain = Effect.fnUntraced(function* (error: TableChanged) {
    yield* discard
    base = Option.getOrUndefined(commits.committed())?.progress
    return yield* error
  })

  const commit: TableWriter["Service"]["commit"] = Effect.fn("TableWriter.commit")(
    function* (progress) {
      yield* ensureUsable
      const files = yield* staging.withPermit(Effect.andThen(flush, () => Effect.succeed(flushed)))
      const committed = yield* commits
        .append(files.map(toContentFile), progress, base)
        .pipe(Effect.catchTag("TableChanged", startAgain))
      base = committed.progress
      maintenance.appended(new Set(files.map((file) => file.key)), yield* monotonicMillis)
      unstage(files)
      return committed
    },
    Effect.uninterruptible,
    committing.withPermit
  )

  /** Maintenance waits, because it would merge files that are being replaced. */
  const promote: TableWriter["Service"]["promote"] = Effect.fn("TableWriter.promote")(
    function* <E>(from: string, progress: Progress, allowed: Effect.Effect<void, E> = Effect.void) {
      yield* ensureUsable
      const imported = yield* importDataFiles(from, tableFolder, `${writer}-${imports++}`, spec)
      const files = yield* staging.withPermit(Effect.andThen(flush, () => Effect.succeed(flushed)))
      const all = [...imported, ...files.map(toContentFile)]
      const committed = yield* commits
        .overwrite(all, progress, allowed)
        .pipe(Effect.onError(() => removeLinks(imported)))
      base = committed.progress
      const partitions = all.map(({ partition }) => keyOf(spec, partition))
      maintenance.appended(new Set(partitions), yield* monotonicMillis)
      unstage(files)
      return committed
    },
    Effect.uninterruptible,
    committing.withPermit,
    maintaining.withPermit
  )

  /** Neither staged rows nor merges are written meanwhile. */
  const evolve: TableWriter["Service"]["evolve"] = Effect.fn("TableWriter.evolve")(
    function* (stream) {
      yield* ensureUsable
      yield* commits.evolve(specOf(stream))
    },
    Effect.uninterruptible,
    staging.withPermit,
    committing.withPermit,
    maintaining.withPermit
  )

  return TableWriter.of({
    evolve,
    committed: Effect.sync(commits.committed),
    stage,
    staged: Effect.sync(() => staged),
    commit,
    refresh: Effect.suspend(() => commits.verifyBase(base)).pipe(
      Effect.catchTag("TableChanged", startAgain),
      committing.withPermit
    ),
    discard,
    promote,
    maintain: maintaining.withPermit(maintenance.maintain)
  })
}, Effect.provide(SecureRandom.layerWebCrypto))

/** A rebuild may have made a table of this name before there was such a stream. */
const requireNotRebuilt = Effect.fnUntraced(function* (tableFolder: string) {
  const state = yield* RebuildMarker.read(tableFolder)
  if (state._tag !== "Rebuilt") return
  return yield* new TableBroken({
    file: tableFolder,
    reason: `is where floe rebuild put a table of ${state.stream}, before this name was a stream's; remove this folder, or move it away`,
    unsupported: true
  })
})

/** Opens the writers of this process: one for each table, over one engine. Holds the sink's lock. */
export class TableWriters extends Context.Service<
  TableWriters,
  {
    /** Writes the table of a stream until the scope closes. */
    readonly open: (
      stream: AppliedStream
    ) => Effect.Effect<TableWriter["Service"], Effect.Error<ReturnType<typeof make>>, Scope.Scope>
  }
>()("floe/layers/table/iceberg/TableWriters") {}

export const writersLayer = Layer.effect(
  TableWriters,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const keep = yield* snapshotKeep
    const travel = yield* timeTravel
    const grace = yield* fileGrace
    const tempFolder = join(folder.root, "temp")
    yield* acquire(folder.sinkLock, "sink")
    yield* Files.removeFolder(tempFolder)
    const engine = yield* ParquetEngine.make({ memoryMegabytes, tempFolder })
    const services = yield* Effect.context<Leases>()
    return TableWriters.of({
      open: Effect.fnUntraced(function* (stream) {
        const tableFolder = folder.tableAt(stream.definition.name)
        if (stream.definition.name !== weather.stream.definition.name) yield* requireNotRebuilt(tableFolder)
        return yield* make({
          spec: specOf(stream),
          engine,
          tableFolder,
          tempFolder,
          snapshotKeep: keep,
          timeTravel: Duration.toMillis(travel),
          fileGrace: Duration.toMillis(grace),
          metadataKeep
        })
      }, Effect.provideContext(services))
    })
  })
)

/** The writer of a stream's table, over the writers of this process. */
export const layerOf = (stream: AppliedStream) =>
  Layer.effect(
    TableWriter,
    Effect.flatMap(TableWriters, ({ open }) => open(stream))
  )

/** The writer of weather's table, alone in this process. */
export const layer = layerOf(weather.stream).pipe(Layer.provide(writersLayer))
