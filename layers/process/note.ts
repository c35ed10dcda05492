/** Notes in a file which processor works: V8 ends a process whose heap is full at once, and nothing of it runs any more. */
import { openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import type { Note } from "./Beat.ts"
import { WorkingReport, workingFile } from "./workerProtocol.ts"

export interface WatchedInput {
  readonly processor: string
  readonly from: string
}

export const positionOf = (from: string, partition: number, offset: number) => `${from}/${partition}/${offset}`

/** Longer than any report, so that one write replaces the one before. */
const width = 256

/** Of the processors of this process, in the order of their indices. */
export const noteIn = (folder: string, inputs: ReadonlyArray<WatchedInput>): Note => {
  const file = openSync(join(folder, workingFile), "w", 0o600)
  const encode = Schema.encodeSync(WorkingReport)
  return (working) => {
    const { from = "", processor = "" } = inputs[working?.slot ?? -1] ?? {}
    const report =
      working === undefined ? "" : encode({ processor, at: positionOf(from, working.partition, working.offset) })
    try {
      writeSync(file, report.padEnd(width), 0)
    } catch {
      // On a full disk nobody is named.
    }
  }
}
