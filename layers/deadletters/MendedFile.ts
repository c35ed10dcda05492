/** The lines of a file of mended dead letters, as `floe dlq list --json` writes them. */
import { Result, Stream } from "effect"
import { FileUnreadable } from "../send/Batches.ts"
import { lines, maxLineBytes } from "../send/Lines.ts"
import { type MendedLine, mendedLine } from "./Mending.ts"

export interface Numbered {
  readonly line: number
  readonly mended: Result.Result<MendedLine, string>
}

async function* read(path: string): AsyncGenerator<Numbered> {
  for await (const group of lines(path, false)) {
    for (const { isRest, number, raw, tooLong } of group) {
      if (isRest || /^\s*$/.test(raw.toString("latin1", 0, 100))) continue
      yield {
        line: number,
        mended: tooLong ? Result.fail(`it is longer than ${maxLineBytes} bytes`) : mendedLine(raw)
      }
    }
  }
}

const reasonOf = (cause: unknown) => {
  if (!(cause instanceof Error)) return String(cause)
  return "code" in cause && cause.code === "ENOENT" ? "there is no such file" : cause.message
}

export const mendedFile = (path: string) =>
  Stream.fromAsyncIterable(read(path), (cause) => new FileUnreadable({ path, reason: reasonOf(cause) }))
