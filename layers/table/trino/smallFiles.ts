/** Finds the small data files of each partition, and builds the statements that merge them. */
import { Effect, Schema } from "effect"
import * as Rows from "./rows.ts"

/**
 * Files up to this size are merged. However often a growing partition is maintained, it rewrites at most this much of
 * what was merged before; a partition that has ended keeps at most one such file.
 */
const smallBytes = 32 * 2 ** 20
/** Trino starts another file at this size. */
const largestBytes = 2 ** 30
/** Files in one statement, as Trino keeps every file that it merges in memory. Finished pieces stay merged when a later one fails. */
const filesPerStatement = 500

export interface SmallFiles {
  readonly ts: string
  readonly files: number
  readonly bytes: number
}

const Row = Schema.Tuple([Schema.String, Rows.Whole, Rows.Whole])
const Path = Schema.Tuple([Schema.String])

const isSmall = `content = 0 AND file_size_in_bytes <= ${smallBytes}`

/** Partitions with more than one small file, oldest first. */
export const find = Effect.fn("SmallFiles.find")(function* (table: string) {
  const rows = yield* Rows.all(
    { table, operation: "looking for small files", row: Row },
    `SELECT partition.ts, count(*), sum(file_size_in_bytes) FROM ${Rows.metadataTable(table, "files")}
    WHERE ${isSmall} AND partition.ts IS NOT NULL
    GROUP BY 1 HAVING count(*) > 1 ORDER BY 1`
  )
  return rows.map(([ts, files, bytes]): SmallFiles => ({ ts, files, bytes }))
})

export const total = (hours: ReadonlyArray<SmallFiles>) => ({
  partitions: hours.length,
  files: hours.reduce((sum, { files }) => sum + files, 0),
  bytes: hours.reduce((sum, { bytes }) => sum + bytes, 0),
  into: hours.reduce((sum, { bytes }) => sum + Math.ceil(bytes / largestBytes), 0)
})

/** How many statements the merge takes. */
export const statementCount = (hours: ReadonlyArray<SmallFiles>) =>
  hours.reduce((sum, { files }) => sum + Math.ceil(files / filesPerStatement), 0)

const merge = (table: string, where: string) =>
  `ALTER TABLE iceberg.default.${table} EXECUTE optimize(file_size_threshold => '${smallBytes}B') WHERE ${where}`

/** The statements that merge one partition. */
export const mergeStatements = Effect.fn("SmallFiles.mergeStatements")(function* (
  table: string,
  { ts, files }: SmallFiles
) {
  const hour = `ts = ${Rows.literal(ts)}`
  if (files <= filesPerStatement) return [merge(table, hour)]
  const paths = yield* Rows.all(
    { table, operation: "looking for small files", row: Path },
    `SELECT file_path FROM ${Rows.metadataTable(table, "files")} WHERE ${isSmall} AND partition.ts = ${Rows.literal(ts)} ORDER BY file_path`
  )
  return Array.from({ length: Math.ceil(paths.length / filesPerStatement) }, (_, piece) => {
    const some = paths
      .slice(piece * filesPerStatement, (piece + 1) * filesPerStatement)
      .map(([path]) => Rows.literal(path))
    return merge(table, `${hour} AND "$path" IN (${some.join(", ")})`)
  })
})
