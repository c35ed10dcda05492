/** Reads a file of corrected dead letters, in the format of `floe dlq list --json`. */
import { Result, Stream } from "effect"
import { isTooLong, lines, maxLineBytes } from "../send/lines.ts"
import { FileUnreadable, reasonOf } from "../send/Source.ts"
import { type CorrectionLine, correctionLine } from "./Correction.ts"

export interface Numbered {
  readonly line: number
  readonly correction: Result.Result<CorrectionLine, string>
}

async function* read(path: string): AsyncGenerator<Numbered> {
  for await (const line of lines(path)) {
    if (line.part === "next" || line.part === "last" || /^\s*$/.test(line.raw.toString("latin1", 0, 100))) continue
    yield {
      line: line.number,
      correction: isTooLong(line) ? Result.fail(`it is longer than ${maxLineBytes} bytes`) : correctionLine(line.raw)
    }
  }
}

export const readCorrections = (path: string) =>
  Stream.fromAsyncIterable(read(path), (cause) => new FileUnreadable({ path, reason: reasonOf(cause) }))
