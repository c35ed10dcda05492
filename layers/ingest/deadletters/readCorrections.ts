/** The lines of a file of mended dead letters, as `floe dlq list --json` writes them. */
import { Result, Stream } from "effect"
import { isTooLong, lines, maxLineBytes } from "../send/lines.ts"
import { FileUnreadable, reasonOf } from "../send/Source.ts"
import { type CorrectionLine, correctionLine } from "./Correction.ts"

export interface Numbered {
  readonly line: number
  readonly mended: Result.Result<CorrectionLine, string>
}

async function* read(path: string): AsyncGenerator<Numbered> {
  for await (const line of lines(path)) {
    if (line.part === "next" || line.part === "last" || /^\s*$/.test(line.raw.toString("latin1", 0, 100))) continue
    yield {
      line: line.number,
      mended: isTooLong(line) ? Result.fail(`it is longer than ${maxLineBytes} bytes`) : correctionLine(line.raw)
    }
  }
}

export const readCorrections = (path: string) =>
  Stream.fromAsyncIterable(read(path), (cause) => new FileUnreadable({ path, reason: reasonOf(cause) }))
