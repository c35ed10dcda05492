/** What promoting a rebuilt table would lose: changes that other programs have made to the current one. */
import { Effect, Option } from "effect"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { describeChange, type OtherChange } from "../../../services/TableChecksums.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import * as LogProgress from "../iceberg/logProgress.ts"
import { type CurrentMetadata, readMetadata } from "../iceberg/MetadataFiles.ts"
import { readFiles } from "../iceberg/readManifests.ts"
import { readScan } from "../iceberg/TableScan.ts"
import * as otherRows from "./otherRows.ts"

export interface Undone {
  /** Rows that other programs added and deleted, by snapshot. */
  readonly changes: ReadonlyArray<OtherChange>
  /** By how many rows the table differs from the log and these changes; snapshots that could explain it have expired. */
  readonly unexplained: number
}

const rowsOf = Effect.fnUntraced(function* (tableFolder: string, current: CurrentMetadata) {
  const sum = (files: ReadonlyArray<{ readonly rows: number }>) => files.reduce((rows, file) => rows + file.rows, 0)
  return yield* readScan(tableFolder, current).pipe(
    Effect.map(({ deletes, files, touched }) => sum(files) + sum(touched) - sum(deletes)),
    Effect.catchTag("TableBroken", () => Effect.map(readFiles(tableFolder, current), sum))
  )
})

/** Undefined if nothing would be lost, as far as the table records it. */
export const undoneByRebuild = Effect.fn("undoneByRebuild")(function* (
  tableFolder: string,
  stream: AppliedStream = weatherStream
) {
  const current = yield* readMetadata(tableFolder)
  if (Option.isNone(current)) return undefined
  const { metadata, snapshot } = current.value
  const others = yield* otherRows.find(tableFolder, current.value, stream)
  const { cutAt, rows, unreadable } = others
  const counted = yield* Effect.orElseSucceed(otherRows.count(others), () => rows.map(({ reported }) => reported))
  const changes = [...counted, ...unreadable].filter(({ added, deleted }) => added + deleted > 0)
  const progress = LogProgress.at(metadata, snapshot)
  let unexplained = 0
  if (cutAt !== undefined && Option.isSome(progress)) {
    const explained = changes.reduce((sum, { added, deleted }) => sum + added - deleted, progress.value.offset)
    unexplained = (yield* rowsOf(tableFolder, current.value)) - explained
  }
  const undone: Undone = { changes, unexplained }
  return changes.length === 0 && unexplained === 0 ? undefined : undone
}, Effect.scoped)

/** One or two sentences: "Other writers have added 2 rows to default.weather and deleted 3 rows (snapshot 4711 by spark, +2 −3 rows)." */
export const describeUndone = ({ changes, unexplained }: Undone) => {
  const sum = (count: (change: OtherChange) => number) => changes.reduce((total, change) => total + count(change), 0)
  const known = `Other writers have added ${plural(
    sum(({ added }) => added),
    "row"
  )} to default.weather and deleted ${plural(
    sum(({ deleted }) => deleted),
    "row"
  )} (${changes.map(describeChange).join("; ")}).`
  const more = `default.weather has ${plural(Math.abs(unexplained), "row")} ${unexplained > 0 ? "more" : "fewer"} than the log${changes.length > 0 ? " and these changes" : ""} would give, and the snapshots that could show which writer did that have expired.`
  return [...(changes.length > 0 ? [known] : []), ...(unexplained !== 0 ? [more] : [])].join(" ")
}

export const discardFlag = "--discard-other-writers"
