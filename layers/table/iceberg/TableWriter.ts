/** Writes an Iceberg table on the local disk. */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Duration, Effect, Layer, Option, Semaphore } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { fileGrace, snapshotKeep, timeTravel } from "../../../services/Settings.ts"
import { type Progress, TableBroken, type TableChanged, TableWriter } from "../../../services/Table.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import * as Files from "../../runtime/files.ts"
import { acquire } from "../../runtime/ProcessLock.ts"
import * as ParquetWriter from "../parquet/ParquetWriter.ts"
import { type Failpoint, repairHint } from "./commitMetadata.ts"
import { importDataFiles, removeLinks } from "./importDataFiles.ts"
import * as LeftFiles from "./LeftFiles.ts"
import { readMetadata } from "./MetadataFiles.ts"
import * as Removal from "./Removal.ts"
import { relocate } from "./relocate.ts"
import * as TableCommits from "./TableCommits.ts"
import { toDataFile } from "./toDataFile.ts"
import * as Upkeep from "./Upkeep.ts"

export interface TableWriterOptions {
  /** Absolute. The caller sees to it that nobody else writes this table. */
  readonly tableFolder: string
  /** For what does not fit into memory. */
  readonly tempFolder: string
  readonly snapshotKeep: number
  /** How far back thinned snapshots are kept beyond those, in milliseconds; not at all if left out. */
  readonly timeTravel?: number | undefined
  /** How long files stay that have left the table, in milliseconds; not at all if left out. */
  readonly fileGrace?: number | undefined
  /** As many metadata files before the current one as snapshots, if left out. */
  readonly metadataKeep?: number | undefined
  readonly failpoint?: Failpoint | undefined
}

/** DuckDB's share of the process, in megabytes, for staged rows, Parquet and compaction. */
const memoryMegabytes = 96
/** More than this is written to Parquet files before the commit: rows, or bytes of text. */
const pieceRows = 250_000
const pieceBytes = 48 * 1024 * 1024

/** The metadata files before the current one that stay. */
const metadataKeep = 100

/** A writer over a table's folder, which need not exist. */
export const make = Effect.fn("TableWriter.make")(function* (options: TableWriterOptions) {
  const { tableFolder } = options
  const dataFolder = join(tableFolder, "data")
  yield* Files.makeFolder(dataFolder)
  yield* Files.makeFolder(join(tableFolder, "metadata"))
  const writer = randomUUID().slice(0, 13)
  const found = yield* readMetadata(tableFolder)
  const parquet = yield* ParquetWriter.make({ memoryMegabytes, tempFolder: options.tempFolder })
  const opened = Option.isNone(found)
    ? found
    : Option.some(yield* relocate(tableFolder, writer, found.value, parquet, options.failpoint))
  const retention = {
    snapshots: options.snapshotKeep,
    timeTravel: options.timeTravel ?? 0,
    metadataFiles: options.metadataKeep ?? options.snapshotKeep
  }
  const { failpoint } = options
  const commits = yield* TableCommits.make({ tableFolder, writer, retention, failpoint }, opened)
  if (Option.isSome(opened)) yield* repairHint(tableFolder, writer, opened.value.version)

  const staging = yield* Semaphore.make(1)
  const committing = yield* Semaphore.make(1)
  const maintaining = yield* Semaphore.make(1)
  const removal = yield* Removal.make({
    tableFolder,
    writer,
    commits,
    left: yield* LeftFiles.make({ tableFolder, grace: options.fileGrace ?? 0 }),
    metadataKeep: retention.metadataFiles,
    whileNotStaging: staging.withPermit
  })
  const upkeep = Upkeep.make({ tableFolder, writer, parquet, commits, removal })
  /** Parquet files with staged rows, not yet committed. */
  let pieces: ReadonlyArray<ParquetWriter.WrittenFile> = []
  let staged = 0
  let adoptions = 0
  /** Where the table was when the rows that are staged were chosen. */
  let base = Option.getOrUndefined(commits.committed())?.progress
  /** Rows that should have been discarded are still staged: nothing may be committed any more. */
  let spoiled: TableBroken | undefined
  const unspoiled = Effect.suspend(() => (spoiled === undefined ? Effect.void : Effect.fail(spoiled)))

  const flush = Effect.gen(function* () {
    const written = yield* parquet.flush(dataFolder, writer)
    pieces = [...pieces, ...written]
  })

  const stage = Effect.fnUntraced(function* (records: ReadonlyArray<WeatherRecord>) {
    if (records.length === 0) return
    const now = parquet.staged()
    if (now.rows >= pieceRows || now.bytes >= pieceBytes) yield* flush
    yield* parquet.stage(records)
    staged += records.length
  }, staging.withPermit)

  const unstage = (files: ReadonlyArray<ParquetWriter.WrittenFile>) => {
    const done = new Set(files)
    pieces = pieces.filter((piece) => !done.has(piece))
    staged -= files.reduce((rows, file) => rows + file.rows, 0)
  }

  const discard = Effect.gen(function* () {
    yield* parquet.discard.pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          spoiled = new TableBroken({
            file: tableFolder,
            reason: `cannot be written on (${error.reason}); start the sink again`
          })
        })
      )
    )
    const spilled = pieces
    pieces = []
    staged = 0
    const isLive = ({ path, ts }: ParquetWriter.WrittenFile) => commits.live.get(ts, path) !== undefined
    // What cannot be removed now is an orphan of a later start; and a commit that seemed to fail may be there after all.
    const useless = spilled.filter((piece) => !isLive(piece))
    yield* Effect.forEach(useless, ({ path }) => Effect.ignore(Files.remove(path)), { discard: true })
  }).pipe(Effect.uninterruptible, staging.withPermit)

  /** What was staged came behind what is no longer in the table. */
  const startAgain = Effect.fnUntraced(function* (error: TableChanged) {
    yield* discard
    base = Option.getOrUndefined(commits.committed())?.progress
    return yield* error
  })

  const commit: TableWriter["Service"]["commit"] = Effect.fn("TableWriter.commit")(
    function* (progress) {
      yield* unspoiled
      const files = yield* staging.withPermit(Effect.andThen(flush, () => Effect.succeed(pieces)))
      const committed = yield* commits
        .append(files.map(toDataFile), progress, base)
        .pipe(Effect.catchTag("TableChanged", startAgain))
      base = committed.progress
      upkeep.appended(new Set(files.map((file) => file.ts)), yield* monotonicMillis)
      unstage(files)
      return committed
    },
    Effect.uninterruptible,
    committing.withPermit
  )

  /** Upkeep waits, as it would merge files that are taken away. */
  const promote: TableWriter["Service"]["promote"] = Effect.fn("TableWriter.promote")(
    function* <E>(from: string, progress: Progress, allowed: Effect.Effect<void, E> = Effect.void) {
      yield* unspoiled
      const adopted = yield* importDataFiles(from, tableFolder, `${writer}-${adoptions++}`)
      const files = yield* staging.withPermit(Effect.andThen(flush, () => Effect.succeed(pieces)))
      const all = [...adopted, ...files.map(toDataFile)]
      const committed = yield* commits
        .overwrite(all, progress, allowed)
        .pipe(Effect.onError(() => removeLinks(adopted)))
      base = committed.progress
      const hours = all.flatMap(({ partition: { ts } }) => (typeof ts === "string" ? ts : []))
      upkeep.appended(new Set(hours), yield* monotonicMillis)
      unstage(files)
      return committed
    },
    Effect.uninterruptible,
    committing.withPermit,
    maintaining.withPermit
  )

  return TableWriter.of({
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
    maintain: maintaining.withPermit(upkeep.maintain)
  })
})

export const layer = Layer.effect(
  TableWriter,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const keep = yield* snapshotKeep
    const travel = yield* timeTravel
    const grace = yield* fileGrace
    const tempFolder = join(folder.root, "temp")
    yield* acquire(folder.sinkLock, "sink")
    // What a sink that was killed had spilled.
    yield* Files.removeFolder(tempFolder)
    return yield* make({
      tableFolder: folder.table,
      tempFolder,
      snapshotKeep: keep,
      timeTravel: Duration.toMillis(travel),
      fileGrace: Duration.toMillis(grace),
      metadataKeep
    })
  })
)
