/** A file cut into batches, the same ones each time as long as the file is the same. */
import { createHash } from "node:crypto"
import { Schema, Stream } from "effect"
import type { WeatherReading } from "../../../services/Weather.ts"
import { carriageReturn, type Format, isLineEnd, isTooLong, type Line, splitter } from "./lines.ts"
import { parser, type Refused } from "./records.ts"
import { FileUnreadable, formatOf, magicBytes, problemOf, reasonOf, type Source } from "./Source.ts"

/** Some 10 ms of the server's work, and at most 2 MiB of its 5. */
const maxRecords = 1000

export interface Numbered {
  readonly line: number
  readonly reading: WeatherReading
}

export interface Batch {
  readonly _tag: "Batch"
  /** From where to before where in the file. */
  readonly from: number
  readonly end: number
  /** SHA-256 of all that the file has before `end`. */
  readonly digest: string
  readonly readings: ReadonlyArray<Numbered>
  readonly refused: ReadonlyArray<Refused>
}

/** The last line, which has no end: more of it may come. */
export interface Waiting {
  readonly _tag: "Waiting"
  readonly line: number
}

/** A place that was reached before, and what the file had before it. */
export interface Checkpoint {
  readonly from: number
  readonly end: number
  readonly digest: string
  /** Begin behind it, and not with the batch that leads up to it. */
  readonly done: boolean
}

export interface BatchOptions {
  readonly format: Format | undefined
  /** The last line is taken as it is, though it has no end. */
  readonly complete: boolean
  readonly checkpoint: Checkpoint | undefined
}

class FileChanged extends Schema.TaggedError<FileChanged>()("FileChanged", { path: Schema.String }) {
  override get message() {
    return `${this.path} is no longer what it was in the part that was sent already; put it back as it was, or send all of it once more with --again.`
  }
}

const isBegin = ({ part }: Line) => part === "first" || part === "whole"
const isBlank = ({ raw }: Line) => /^\s*$/.test(raw.toString("latin1", 0, 1000))

interface Reading {
  readonly format: Format
  readonly split: ReturnType<typeof splitter>
  readonly parse: ReturnType<typeof parser>
}

/** The chunks, split so that one ends at this place. */
async function* piecesOf(chunks: AsyncIterable<Buffer>, place = 0): AsyncGenerator<Buffer> {
  let offset = 0
  for await (const chunk of chunks) {
    const left = place - offset
    offset += chunk.length
    if (left <= 0 || left >= chunk.length) yield chunk
    else {
      yield chunk.subarray(0, left)
      yield chunk.subarray(left)
    }
  }
}

async function* read(
  source: Source,
  { complete, checkpoint, ...options }: BatchOptions
): AsyncGenerator<Batch | Waiting> {
  const hash = createHash("sha256")
  const begin = checkpoint === undefined ? 0 : checkpoint.done ? checkpoint.end : checkpoint.from
  let position = 0
  let from = begin
  let confirmed = checkpoint === undefined
  let readings: Array<Numbered> = []
  let refused: Array<Refused> = []

  const cut = (): Batch => {
    const batch: Batch = { _tag: "Batch", from, end: position, digest: hash.copy().digest("hex"), readings, refused }
    from = position
    readings = []
    refused = []
    return batch
  }
  /** True where the checkpoint is reached. */
  const confirm = () => {
    if (checkpoint === undefined || confirmed || position < checkpoint.end) return false
    if (position > checkpoint.end || hash.copy().digest("hex") !== checkpoint.digest) {
      throw new FileChanged({ path: source.name })
    }
    confirmed = true
    return true
  }

  function* take(parse: Reading["parse"], line: Line): Generator<Batch> {
    // A batch ends before it, as it may turn out to have no end yet.
    if (isTooLong(line) && isBegin(line) && confirmed && position > from) yield cut()
    hash.update(line.raw)
    const parsed = parse(line)
    if (line.part === "first" || line.part === "next") return
    position = line.end
    if (parsed._tag === "BadHeader") throw new FileUnreadable({ path: source.name, reason: parsed.reason })
    if (position > begin) {
      if (parsed._tag === "Reading") readings.push({ line: line.number, reading: parsed.reading })
      if (parsed._tag === "Refused") refused.push(parsed.refused)
    }
    const isReached = confirm()
    const isFull = confirmed && readings.length + refused.length >= maxRecords
    if (position > begin && (isReached || isFull)) yield cut()
  }

  function* each({ parse }: Reading, lines: Iterable<Line>): Generator<Batch | Waiting> {
    for (const line of lines) {
      if (line.open && !complete && confirmed) {
        if (!isBlank(line)) yield { _tag: "Waiting", line: line.number }
        return
      }
      yield* take(parse, line)
    }
    // What is read once may come slowly, and is not sent in the same batches a second time.
    if (source.file === undefined && position > from) yield cut()
  }

  /**
   * Behind a checkpoint. The lines before it are those that were read when the file ended there; of one that was sent
   * without its end, as --complete wanted it, that end is left, and nothing else may be.
   */
  function* goOn(reading: Reading, chunk: Buffer, before: number | undefined) {
    yield* each(reading, reading.split.end())
    const end = /^(?:\r?\n|\r)?/.exec(chunk.toString("latin1", 0, 2))?.[0] ?? ""
    if (isLineEnd(before, reading.format)) {
      if (!(before === carriageReturn && end === "\n")) return chunk
    } else if (end === "") throw new FileChanged({ path: source.name })
    hash.update(end)
    position += end.length
    reading.split.skip(end.length)
    return chunk.subarray(end.length)
  }

  let head: Buffer = Buffer.alloc(0)
  const begun = () => {
    const format = options.format ?? formatOf(source.name, head)
    const reason = problemOf(format, head)
    if (reason !== undefined) throw new FileUnreadable({ path: source.name, reason })
    return { format: format ?? "csv", split: splitter(format ?? "csv"), parse: parser(format ?? "csv") }
  }
  let reading: Reading | undefined
  let offset = 0
  let before: number | undefined
  for await (const piece of piecesOf(source.chunks(), checkpoint?.end)) {
    if (reading === undefined) {
      head = Buffer.concat([head, piece])
      if (head.length >= magicBytes && (options.format ?? formatOf(source.name, head)) !== undefined) {
        reading = begun()
        yield* each(reading, reading.split.push(head))
      }
    } else {
      const data: Buffer = offset === checkpoint?.end ? yield* goOn(reading, piece, before) : piece
      yield* each(reading, reading.split.push(data))
    }
    offset += piece.length
    before = piece.at(-1)
  }
  if (reading === undefined) {
    reading = begun()
    yield* each(reading, reading.split.push(head))
  }
  yield* each(reading, reading.split.end())
  if (!confirmed) throw new FileChanged({ path: source.name })
  if (position > from) yield cut()
}

/** What is not sent yet; one batch is prepared while another is sent. */
export const batches = (source: Source, options: BatchOptions) =>
  Stream.fromAsyncIterable(read(source, options), (cause) =>
    cause instanceof FileChanged || cause instanceof FileUnreadable
      ? cause
      : new FileUnreadable({ path: source.name, reason: reasonOf(cause) })
  ).pipe(Stream.buffer({ capacity: 1 }))
