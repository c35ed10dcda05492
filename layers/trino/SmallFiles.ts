/** Small data files of a partition, and merging them. */
import { Effect, Schema } from "effect"
import type { Query } from "../../services/Query.ts"
import * as Rows from "./Rows.ts"

/**
 * Files up to this size are merged. A partition that grows rewrites no more than this of what was merged before, however
 * often it is maintained; one that has ended keeps at most one such file, which is left alone.
 */
const smallBytes = 32 * 2 ** 20
/** Trino begins another file at this size. */
const largestBytes = 2 ** 30
/** Trino writes to at most 100 partitions at once, and fails beyond; and what is done stays done when a later piece fails. */
const pieceHours = 24

export interface SmallFiles {
  readonly ts: string
  readonly files: number
  readonly bytes: number
}

const Row = Schema.Tuple([Schema.String, Rows.Whole, Rows.Whole])

/** Of each partition that has more than one, oldest first. */
export const find = Effect.fn("SmallFiles.find")(function* (query: Query["Service"], table: string) {
  const rows = yield* Rows.all(
    query,
    { table, operation: "looking for small files", row: Row },
    `SELECT partition.ts, count(*), sum(file_size_in_bytes) FROM ${Rows.about(table, "files")}
    WHERE content = 0 AND file_size_in_bytes <= ${smallBytes} AND partition.ts IS NOT NULL
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

/** The statements that merge them. */
export const merging = (table: string, hours: ReadonlyArray<SmallFiles>) =>
  Array.from({ length: Math.ceil(hours.length / pieceHours) }, (_, piece) => {
    const some = hours.slice(piece * pieceHours, (piece + 1) * pieceHours).map(({ ts }) => Rows.literal(ts))
    return `ALTER TABLE iceberg.default.${table} EXECUTE optimize(file_size_threshold => '${smallBytes}B') WHERE ts IN (${some.join(", ")})`
  })
