/** Compares what a processor has written with what it writes when it runs again. */
import type { DataFolder } from "../../services/DataFolder.ts"
import * as LogFile from "../log/sqlite/LogFile.ts"
import { processorFolder } from "../log/sqlite/processorFolder.ts"

const chunk = 1_000
/** Most different rows that are remembered, some 100 MB. */
const maxDifferent = 100_000
const maxExamples = 20

export interface StreamDifference {
  readonly stream: string
  /** Rows of both. */
  readonly same: number
  /** Rows that only the new run has, and that only the log has. */
  readonly added: number
  readonly removed: number
  /** There are more: the comparison ended early. */
  readonly isCut: boolean
  /** The first row that differs, by its offset in both; null if the rows and their order are the same. */
  readonly firstAt: number | null
  readonly examples: ReadonlyArray<{ readonly kind: "added" | "removed"; readonly row: string }>
}

export interface Compared {
  readonly folder: DataFolder["Service"]
  /** The end of the stream, exclusive. */
  readonly end: number
}

/** Accepted from `from` on and before `before`: milliseconds since 1970. */
export interface Range {
  readonly from: number
  readonly before: number
}

const rowsOf = function* ({ folder, end }: Compared, name: string, stream: string, { before, from }: Range) {
  if (end === 0) return
  const file = LogFile.open(processorFolder(folder, name))
  try {
    const log = file.of(stream)
    for (let next = 0; next < end; ) {
      const events = log.events(next, Math.min(chunk, end - next))
      if (events.length === 0) return
      next += events.length
      for (const { acceptedAt, record } of events) {
        if (acceptedAt >= from && acceptedAt < before) yield String(record)
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
): StreamDifference => {
  /** Rows of the new run minus rows of the log. */
  const balances = new Map<string, number>()
  const add = (row: string, by: number) => {
    const balance = (balances.get(row) ?? 0) + by
    if (balance === 0) balances.delete(row)
    else balances.set(row, balance)
  }
  const ofKept = rowsOf(kept, processor, stream, range)
  const ofAgain = rowsOf(again, processor, stream, range)
  let rows = 0
  let firstAt: number | null = null
  let isCut = false
  for (;;) {
    const [before, now] = [ofKept.next().value, ofAgain.next().value]
    if (before === undefined && now === undefined) break
    if (before !== undefined) rows++
    if (before !== now) {
      firstAt ??= Math.max(0, rows - (before === undefined ? 0 : 1))
      if (before !== undefined) add(before, -1)
      if (now !== undefined) add(now, 1)
    }
    if (balances.size > maxDifferent) {
      isCut = true
      ofKept.return()
      ofAgain.return()
      break
    }
  }
  let [added, removed] = [0, 0]
  const examples: Array<StreamDifference["examples"][number]> = []
  for (const [row, balance] of balances) {
    if (balance > 0) added += balance
    else removed -= balance
    if (examples.length < maxExamples) examples.push({ kind: balance > 0 ? "added" : "removed", row })
  }
  return { stream, same: rows - removed, added, removed, isCut, firstAt, examples }
}
