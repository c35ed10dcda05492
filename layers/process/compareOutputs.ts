/** Compares what a processor has written with what it writes when it runs again. */
import type { DataFolder } from "../../services/DataFolder.ts"
import * as LogFile from "../log/sqlite/LogFile.ts"
import { processorFolder } from "../log/sqlite/processorFolder.ts"
import * as RowComparison from "./RowComparison.ts"

const chunk = 1_000
export interface Compared {
  readonly folder: DataFolder["Service"]
  /** The end of the stream, exclusive. */
  readonly end: number
}

/** Compares only what was accepted from `from` on and before `before`: milliseconds since 1970. */
export interface Range {
  readonly from: number
  readonly before: number
}

/** Undefined in place of each row outside the range. */
const rowsOf = function* ({ folder, end }: Compared, name: string, stream: string, { before, from }: Range) {
  if (end === 0) return
  const file = LogFile.open(processorFolder(folder, name))
  try {
    const log = file.of(stream)
    for (let next = 0; next < end; ) {
      const rows = log.rows(next, Math.min(chunk, end - next))
      if (rows.length === 0) return
      next += rows.length
      for (const { acceptedAt, record } of rows) {
        yield acceptedAt >= from && acceptedAt < before ? String(record) : undefined
      }
    }
  } finally {
    file.close()
  }
}

/** Of one stream of the processor. Throws LogCorrupt and LogUnavailable. */
export const compareOutputs = (
  processor: string,
  stream: string,
  kept: Compared,
  again: Compared,
  range: Range
): RowComparison.StreamDifference => {
  const comparison = RowComparison.make(stream)
  comparison.begin([rowsOf(again, processor, stream, range).filter((row) => row !== undefined)])
  for (const row of rowsOf(kept, processor, stream, range)) {
    if (row === undefined) comparison.passed()
    else if (!comparison.kept(row)) break
  }
  return comparison.result()
}
