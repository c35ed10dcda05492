/** Merging small data files of a partition: what to merge, and the merge. */
import { dirname, join } from "node:path"
import { Effect, Option } from "effect"
import { TableBroken } from "../../../services/Table.ts"
import * as Files from "../../runtime/files.ts"
import type { ParquetWriter } from "../parquet/ParquetWriter.ts"
import type { WrittenFile } from "../parquet/WrittenFile.ts"
import type { ActiveFile } from "./ActiveFiles.ts"
import type { TableCommits } from "./TableCommits.ts"
import { toContentFile } from "./toContentFile.ts"

/** One piece of work: it takes about half a second, and bounds the size of the merged files. */
const pieceRows = 1_000_000
const pieceBytes = 32 * 1024 * 1024
const pieceFiles = 128

/** A partition that still grows merges as many files of one size class; each class is eight times the one before. */
const fanIn = 8
const smallest = 64 * 1024

const sizeClass = (file: ActiveFile) => Math.max(0, 1 + Math.floor(Math.log2(file.bytes / smallest) / Math.log2(fanIn)))

const bySize = (a: ActiveFile, b: ActiveFile) => a.bytes - b.bytes || a.rows - b.rows

/** As many of the files, in their order, as one piece takes. */
const fitting = (files: ReadonlyArray<ActiveFile>) => {
  let rows = 0
  let bytes = 0
  const fit = files.slice(0, pieceFiles).findIndex((file) => {
    rows += file.rows
    bytes += file.bytes
    return rows > pieceRows || bytes > pieceBytes
  })
  return files.slice(0, fit < 0 ? pieceFiles : fit)
}

/**
 * The files of one partition to merge now, none if it is well as it is. While the partition grows, files of one size class
 * are merged, so that a row is rewritten a few times only; when it does not, all small files are.
 */
export const toCompact = (files: ReadonlyArray<ActiveFile>, growing: boolean): ReadonlyArray<ActiveFile> => {
  const ordered = files.toSorted(bySize)
  const classes = growing ? [...Map.groupBy(ordered, sizeClass).values()] : [ordered]
  for (const members of classes) {
    if (growing && members.length < fanIn) continue
    const chosen = fitting(members)
    if (chosen.length >= 2) return chosen
  }
  return []
}

/** Several partitions' files, as far as they fit into one piece. */
export const piece = (perPartition: Iterable<ReadonlyArray<ActiveFile>>): ReadonlyArray<ActiveFile> => {
  let chosen: ReadonlyArray<ActiveFile> = []
  for (const files of perPartition) {
    const more = [...chosen, ...files]
    if (chosen.length > 0 && fitting(more).length < more.length) break
    chosen = more
  }
  return chosen
}

const rowsByPartition = (files: ReadonlyArray<{ readonly ts: string; readonly rows: number }>) =>
  Map.groupBy(files, (file) => file.ts)
    .entries()
    .map(([ts, some]) => `${ts} ${some.reduce((rows, file) => rows + file.rows, 0)}`)
    .toArray()
    .sort()

const sameRows = (before: ReadonlyArray<ActiveFile>, after: ReadonlyArray<WrittenFile>) =>
  rowsByPartition(before).join() === rowsByPartition(after).join()

/** Merges these live files and commits the merged ones in their place; other commits go on until the last step. Answers how many it wrote. */
export const compact = Effect.fn("compact")(function* (
  tableFolder: string,
  writer: string,
  parquet: ParquetWriter,
  commits: TableCommits,
  files: ReadonlyArray<ActiveFile>
) {
  const dataFolder = join(tableFolder, "data")
  const startSequence = commits.metadata()?.["last-sequence-number"] ?? 0
  const written = yield* parquet.merge(dataFolder, writer, files, !commits.hasOwnColumns())
  const paths = written.map((file) => file.path)
  const prepare = Effect.gen(function* () {
    if (!sameRows(files, written)) {
      return yield* new TableBroken({
        file: [...new Set(files.map((file) => dirname(file.path)))].join(", "),
        reason: "does not hold as many rows as its manifests say; its files were left as they are"
      })
    }
    yield* Effect.forEach([...paths, ...new Set(paths.map(dirname))], Files.sync, { concurrency: 16, discard: true })
  })
  const removeWritten = Effect.forEach(paths, (path) => Effect.ignore(Files.remove(path)), { discard: true })
  // An interruption that comes during the commit must not take its files away.
  const committed = yield* Effect.uninterruptibleMask((restore) =>
    restore(prepare).pipe(
      Effect.andThen(commits.replace(files, written.map(toContentFile), startSequence)),
      Effect.tap((committed) => (Option.isNone(committed) ? removeWritten : Effect.void)),
      Effect.onError(() => removeWritten)
    )
  )
  return Option.isNone(committed) ? 0 : written.length
})
