/** The lines of a file in bounded memory, each with its place. */
import { createReadStream } from "node:fs"

/** What is longer is not kept, and refused. */
export const maxLineBytes = 1024 * 1024

export interface Line {
  /** Of its first line, counted from 1; in CSV a quoted field may have several. */
  readonly number: number
  /** As in the file, with the end of the line; a part of it if it is too long. */
  readonly raw: Buffer
  /** Where the next one begins in the file. */
  readonly end: number
  readonly tooLong: boolean
  /** The rest of one that is too long. */
  readonly isRest: boolean
}

const newline = 0x0a
const quote = 0x22

const count = (bytes: Buffer, byte: number) => {
  let found = 0
  for (let at = bytes.indexOf(byte); at >= 0; at = bytes.indexOf(byte, at + 1)) found++
  return found
}

/** Lines in groups, as the file is read. In CSV (`quotes`) a line ends only outside of quotes. */
export async function* lines(path: string, quotes: boolean): AsyncGenerator<ReadonlyArray<Line>> {
  let rest: Buffer = Buffer.alloc(0)
  let number = 1
  let end = 0
  /** In the midst of a line that is too long, of which the beginning is gone. */
  let skipping = false

  const line = (raw: Buffer, isWhole: boolean): Line => {
    const first = number
    number += count(raw, newline)
    end += raw.length
    const isRest = skipping
    skipping = !isWhole
    return { number: first, raw, end, tooLong: !isWhole || raw.length > maxLineBytes, isRest }
  }

  const endOf = (data: Buffer, from: number) => {
    let quoted = false
    let looked = from
    for (let at = data.indexOf(newline, from); at >= 0; at = data.indexOf(newline, at + 1)) {
      if (!quotes || skipping) return at + 1
      if (count(data.subarray(looked, at), quote) % 2 === 1) quoted = !quoted
      looked = at
      if (!quoted) return at + 1
    }
    return -1
  }

  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    const data: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const found: Array<Line> = []
    let from = 0
    for (let to = endOf(data, from); to >= 0; to = endOf(data, from)) {
      found.push(line(data.subarray(from, to), true))
      from = to
    }
    rest = data.subarray(from)
    if (rest.length > maxLineBytes) {
      found.push(line(rest, false))
      rest = Buffer.alloc(0)
    }
    if (found.length > 0) yield found
  }
  if (rest.length > 0) yield [line(rest, true)]
}
