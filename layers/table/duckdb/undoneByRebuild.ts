/** What is lost when a table that is made from the log alone takes the place of one to which other programs have written. */

import { Effect, Option } from "effect"
import { describeChange, type OtherChange } from "../../../services/TableChecksums.ts"
import { plural } from "../../runtime/plural.ts"
import * as LogProgress from "../iceberg/logProgress.ts"
import { type CurrentMetadata, readMetadata } from "../iceberg/MetadataFiles.ts"
import { readFiles } from "../iceberg/readTable.ts"
import { readScan } from "../iceberg/TableScan.ts"
import * as otherRows from "./otherRows.ts"

export interface Undone {
  /** Rows that others have added and deleted, by their snapshots. */
  readonly changes: ReadonlyArray<OtherChange>
  /** Rows that the table has more than the log and these changes explain, or fewer; snapshots that may tell why have expired. */
  readonly unexplained: number
}

/** By what the metadata tell: a data file that is damaged has its rows all the same. */
const rowsOf = Effect.fnUntraced(function* (tableFolder: string, current: CurrentMetadata) {
  const sum = (files: ReadonlyArray<{ readonly rows: number }>) => files.reduce((rows, file) => rows + file.rows, 0)
  return yield* readScan(tableFolder, current).pipe(
    Effect.map(({ deletes, files, touched }) => sum(files) + sum(touched) - sum(deletes)),
    Effect.catchTag("TableBroken", () => Effect.map(readFiles(tableFolder, current), sum))
  )
})

/** Undefined if nothing is lost, as far as the table can tell. */
export const undoneByRebuild = Effect.fn("undoneByRebuild")(function* (tableFolder: string) {
  const found = yield* readMetadata(tableFolder)
  if (Option.isNone(found)) return undefined
  const { metadata, snapshot } = found.value
  const { cutAt, rows, unreadable } = yield* otherRows.find(tableFolder, found.value)
  // Files that are damaged may be what the rebuild is for.
  const counted = yield* Effect.orElseSucceed(otherRows.count(rows), () => rows.map(({ says }) => says))
  const changes = [...counted, ...unreadable].filter(({ added, deleted }) => added + deleted > 0)
  const progress = LogProgress.at(metadata, snapshot)
  let unexplained = 0
  if (cutAt !== undefined && Option.isSome(progress)) {
    const explained = changes.reduce((sum, { added, deleted }) => sum + added - deleted, progress.value.offset)
    unexplained = (yield* rowsOf(tableFolder, found.value)) - explained
  }
  const undone: Undone = { changes, unexplained }
  return changes.length === 0 && unexplained === 0 ? undefined : undone
}, Effect.scoped)

/** One sentence or two, such as "Other writers have added 2 rows and deleted 3 rows (snapshot 4711 by spark, +2 −3 rows)." */
export const describeUndone = ({ changes, unexplained }: Undone) => {
  const sum = (count: (change: OtherChange) => number) => changes.reduce((total, change) => total + count(change), 0)
  const known = `Other writers have added ${plural(
    sum(({ added }) => added),
    "row"
  )} to default.weather and deleted ${plural(
    sum(({ deleted }) => deleted),
    "row"
  )} (${changes.map(describeChange).join("; ")}).`
  const more = `default.weather has ${plural(Math.abs(unexplained), "row")} ${unexplained > 0 ? "more" : "fewer"} than the log${changes.length > 0 ? " and these changes" : ""} would give, and the snapshots that may tell which writer did that have expired.`
  return [...(changes.length > 0 ? [known] : []), ...(unexplained !== 0 ? [more] : [])].join(" ")
}

export const discardFlag = "--discard-other-writers"
