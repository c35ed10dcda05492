/** Small data files of a partition, and merging them. */
import { Effect, Schema } from "effect"
import type { Query } from "../../../services/Query.ts"
import * as Rows from "./rows.ts"

/**
 * Files up to this size are merged. A partition that grows rewrites no more than this of what was merged before, however
 * often it is maintained; one that has ended keeps at most one such file, which is left alone.
 */
const smallBytes = 32 * 2 ** 20
/** Trino begins another file at this size. */
const largestBytes = 2 ** 30
/** Trino holds each file that it merges, and of one partition alone; what is done stays done when a later piece fails. */
const pieceFiles = 500

export interface SmallFiles {
  readonly ts: string
  readonly files: number
  readonly bytes: number
}

const Row = Schema.Tuple([Schema.String, Rows.Whole, Rows.Whole])
const Path = Schema.Tuple([Schema.String])

const isSmall = `content = 0 AND file_size_in_bytes <= ${smallBytes}`

/** Of each partition that has more than one, oldest first. */
export const find = Effect.fn("SmallFiles.find")(function* (query: Query["Service"], table: string) {
  const rows = yield* Rows.all(
    query,
    { table, operation: "looking for small files", row: Row },
    `SELECT partition.ts, count(*), sum(file_size_in_bytes) FROM ${Rows.about(table, "files")}
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

/** How many statements it takes to merge them. */
export const pieces = (hours: ReadonlyArray<SmallFiles>) =>
  hours.reduce((sum, { files }) => sum + Math.ceil(files / pieceFiles), 0)

const merge = (table: string, where: string) =>
  `ALTER TABLE iceberg.default.${table} EXECUTE optimize(file_size_threshold => '${smallBytes}B') WHERE ${where}`

/** The statements that merge one partition, some files at a time. */
export const merging = Effect.fn("SmallFiles.merging")(function* (
  query: Query["Service"],
  table: string,
  { ts, files }: SmallFiles
) {
  const hour = `ts = ${Rows.literal(ts)}`
  if (files <= pieceFiles) return [merge(table, hour)]
  const paths = yield* Rows.all(
    query,
    { table, operation: "looking for small files", row: Path },
    `SELECT file_path FROM ${Rows.about(table, "files")} WHERE ${isSmall} AND partition.ts = ${Rows.literal(ts)} ORDER BY file_path`
  )
  return Array.from({ length: Math.ceil(paths.length / pieceFiles) }, (_, piece) => {
    const some = paths.slice(piece * pieceFiles, (piece + 1) * pieceFiles).map(([path]) => Rows.literal(path))
    return merge(table, `${hour} AND "$path" IN (${some.join(", ")})`)
  })
})
