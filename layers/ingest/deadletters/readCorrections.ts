/** Reads a file of corrected dead letters, in the format of `floe dlq list --json`. */
import { Result, Stream } from "effect"
import { isTooLong, lines, maxLineBytes } from "../send/lines.ts"
import { FileUnreadable, reasonOf } from "../send/Source.ts"
import type { CorrectionLine } from "./Correction.ts"

interface Numbered<R> {
  readonly line: number
  readonly correction: Result.Result<CorrectionLine<R>, string>
}

type Parse<R> = (line: Uint8Array) => Result.Result<CorrectionLine<R>, string>

async function* read<R>(path: string, parse: Parse<R>): AsyncGenerator<Numbered<R>> {
  for await (const line of lines(path)) {
    if (line.part === "next" || line.part === "last" || /^\s*$/.test(line.raw.toString("latin1", 0, 100))) continue
    yield {
      line: line.number,
      correction: isTooLong(line) ? Result.fail(`it is longer than ${maxLineBytes} bytes`) : parse(line.raw)
    }
  }
}

export const readCorrections = <R>(path: string, parse: Parse<R>) =>
  Stream.fromAsyncIterable(read(path, parse), (cause) => new FileUnreadable({ path, reason: reasonOf(cause) }))
