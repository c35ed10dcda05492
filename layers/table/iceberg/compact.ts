/** Merges small data files and commits the result. */
import { dirname, join } from "node:path"
import { Effect, Option } from "effect"
import { TableBroken } from "../../../services/TableWriter.ts"
import * as Files from "../../runtime/files.ts"
import type { ParquetWriter } from "../parquet/ParquetWriter.ts"
import type { ActiveFile } from "./ActiveFiles.ts"
import type { TableCommits } from "./TableCommits.ts"
import { toContentFile } from "./toContentFile.ts"

type Rows = Pick<ActiveFile, "partition" | "rows">

const rowsByPartition = (files: ReadonlyArray<Rows>) =>
  Map.groupBy(files, (file) => file.partition)
    .entries()
    .map(([partition, some]) => `${partition} ${some.reduce((rows, file) => rows + file.rows, 0)}`)
    .toArray()
    .sort()

const haveSameRows = (before: ReadonlyArray<Rows>, after: ReadonlyArray<Rows>) =>
  rowsByPartition(before).join() === rowsByPartition(after).join()

/**
 * Merges these active files and commits the merged files in their place; other commits continue until the last step.
 * Returns how many files were written: 0 if the files have changed meanwhile.
 */
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
    if (
      !haveSameRows(
        files,
        written.map(({ key, rows }) => ({ partition: key, rows }))
      )
    ) {
      return yield* new TableBroken({
        file: [...new Set(files.map((file) => dirname(file.path)))].join(", "),
        reason: "does not hold as many rows as its manifests record; its files were left unchanged"
      })
    }
    yield* Effect.forEach([...paths, ...new Set(paths.map(dirname))], Files.sync, { concurrency: 16, discard: true })
  })
  const removeWritten = Effect.forEach(paths, (path) => Effect.ignore(Files.remove(path)), { discard: true })
  // An interruption during the commit must not remove the files that it names.
  const committed = yield* Effect.uninterruptibleMask((restore) =>
    restore(prepare).pipe(
      Effect.andThen(commits.replace(files, written.map(toContentFile), startSequence)),
      Effect.tap((committed) => (Option.isNone(committed) ? removeWritten : Effect.void)),
      Effect.onError(() => removeWritten)
    )
  )
  return Option.isNone(committed) ? 0 : written.length
})
