/** Finds the small data files of each partition, and merges them. */
import { Effect, Schema } from "effect"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import type * as RetryOnConflict from "./retryOnConflict.ts"
import * as Rows from "./rows.ts"
import { nameOf } from "./streamTable.ts"

/**
 * Files up to this size are merged. However often a growing partition is maintained, it rewrites at most this much of
 * what was merged before; a partition that has ended keeps at most one such file.
 */
const smallBytes = 32 * 2 ** 20
/** Trino starts another file at this size. */
const largestBytes = 2 ** 30
/** Files in one statement, as Trino keeps every file that it merges in memory. Finished pieces stay merged when a later one fails. */
const filesPerStatement = 500

interface SmallFiles {
  readonly ts: string
  readonly files: number
  readonly bytes: number
}

/** The small files of a partition, whatever its transforms. */
interface SmallPartition {
  readonly files: number
  readonly bytes: number
  readonly paths: ReadonlyArray<string>
}

const Row = Schema.Tuple([Schema.String, Rows.Whole, Rows.Whole])
const PathsRow = Schema.Tuple([Schema.Array(Schema.String), Rows.Whole])
const Path = Schema.Tuple([Schema.String])

const isSmall = `content = 0 AND file_size_in_bytes <= ${smallBytes}`

/** Partitions with more than one small file, oldest first. */
const find = Effect.fn("SmallFiles.find")(function* (table: string) {
  const rows = yield* Rows.all(
    { table, operation: "looking for small files", row: Row },
    `SELECT partition.ts, count(*), sum(file_size_in_bytes) FROM ${Rows.metadataTable(table, "files")}
    WHERE ${isSmall} AND partition.ts IS NOT NULL
    GROUP BY 1 HAVING count(*) > 1 ORDER BY 1`
  )
  return rows.map(([ts, files, bytes]): SmallFiles => ({ ts, files, bytes }))
})

/** Partitions of any table with more than one small file; holds the paths of all small files, about 200 bytes each. */
const findPartitions = Effect.fn("SmallFiles.findPartitions")(function* (table: string, isPartitioned: boolean) {
  const rows = yield* Rows.all(
    { table, operation: "looking for small files", row: PathsRow },
    `SELECT array_agg(file_path ORDER BY file_path), sum(file_size_in_bytes) FROM ${Rows.metadataTable(table, "files")}
    WHERE ${isSmall}${isPartitioned ? " GROUP BY partition" : ""} HAVING count(*) > 1`
  )
  return rows.map(([paths, bytes]): SmallPartition => ({ files: paths.length, bytes, paths }))
})

/**
 * The statements that merge these partitions, as many as possible in one statement. Only paths select the files: Trino
 * accepts no condition that is not exactly a partition, as with bucket.
 */
export const mergeAll = (table: string, partitions: ReadonlyArray<SmallPartition>) => {
  const batches: Array<Array<string>> = []
  for (const { paths } of partitions) {
    for (let at = 0; at < paths.length; at += filesPerStatement) {
      const piece = paths.slice(at, at + filesPerStatement)
      const last = batches.at(-1)
      if (last !== undefined && last.length + piece.length <= filesPerStatement) last.push(...piece)
      else batches.push([...piece])
    }
  }
  return batches.map((paths) => merge(table, isOneOf(paths)))
}

export const total = (hours: ReadonlyArray<Pick<SmallFiles, "files" | "bytes">>) => ({
  partitions: hours.length,
  files: hours.reduce((sum, { files }) => sum + files, 0),
  bytes: hours.reduce((sum, { bytes }) => sum + bytes, 0),
  into: hours.reduce((sum, { bytes }) => sum + Math.ceil(bytes / largestBytes), 0)
})

/** How many statements the merge takes. */
export const statementCount = (hours: ReadonlyArray<SmallFiles>) =>
  hours.reduce((sum, { files }) => sum + Math.ceil(files / filesPerStatement), 0)

const merge = (table: string, where: string) =>
  `ALTER TABLE ${nameOf(table)} EXECUTE optimize(file_size_threshold => '${smallBytes}B') WHERE ${where}`

const isOneOf = (paths: ReadonlyArray<string>) => `"$path" IN (${paths.map(Rows.literal).join(", ")})`

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
    const some = paths.slice(piece * filesPerStatement, (piece + 1) * filesPerStatement).map(([path]) => path)
    return merge(table, `${hour} AND ${isOneOf(some)}`)
  })
})

type Change = ReturnType<typeof RetryOnConflict.make>

/** Of weather's table: each hour by itself, oldest first. */
export const mergeByHour = Effect.fnUntraced(function* (table: string) {
  const hours = yield* find(table)
  const merge = Effect.fnUntraced(function* (change: Change) {
    for (const [i, hour] of hours.entries()) {
      for (const statement of yield* mergeStatements(table, hour)) {
        yield* change(`merging small files of ${hour.ts}, hour ${i + 1} of ${hours.length}`, statement)
      }
    }
  })
  return { partitions: hours, statements: statementCount(hours), merge }
})

/** Of the table of any stream. */
export const mergeByFile = Effect.fnUntraced(function* ({ definition: { name, partitionBy } }: AppliedStream) {
  const partitions = yield* findPartitions(name, partitionBy.length > 0)
  const statements = mergeAll(name, partitions)
  const merge = Effect.fnUntraced(function* (change: Change) {
    for (const [i, statement] of statements.entries()) {
      yield* change(`merging small files, step ${i + 1} of ${statements.length}`, statement)
    }
  })
  return { partitions, statements: statements.length, merge }
})
