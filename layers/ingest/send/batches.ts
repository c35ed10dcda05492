/** Splits a file into batches: the same ones each time while the file stays the same. */
import { createHash } from "node:crypto"
import { Schema, Stream } from "effect"
import { carriageReturn, type Format, isLineEnd, isTooLong, type Line, splitter } from "./lines.ts"
import type { LineParser, Rejected } from "./records.ts"
import { FileUnreadable, formatOf, magicBytes, problemOf, reasonOf, type Source } from "./Source.ts"

/** About 10 ms of work for the server, and at most 2 MiB of its 5. */
const maxRecords = 1000

/** The server takes 5 MiB; the last reading of a batch can have one more. */
const maxBytes = 1024 * 1024

export interface Numbered<R> {
  readonly line: number
  readonly reading: R
}

export interface Batch<R> {
  readonly _tag: "Batch"
  /** Byte range in the file; `end` is exclusive. */
  readonly from: number
  readonly end: number
  /** SHA-256 of the file up to `end`. */
  readonly digest: string
  readonly readings: ReadonlyArray<Numbered<R>>
  readonly rejected: ReadonlyArray<Rejected>
}

/** The last line has no line end yet. */
export interface Waiting {
  readonly _tag: "Waiting"
  readonly line: number
}

/** A position that an earlier run reached, with the digest of the file up to it. */
export interface Checkpoint {
  readonly from: number
  readonly end: number
  readonly digest: string
  /** Start after the batch, not with it. */
  readonly done: boolean
}

export interface BatchOptions<R> {
  readonly parser: LineParser<R>
  /** What a reading adds to a request; 0 for those that are small, as a batch has at most 1,000. */
  readonly bytesOf: (reading: R) => number
  readonly format: Format | undefined
  /** Send the last line even if it has no line end. */
  readonly complete: boolean
  readonly checkpoint: Checkpoint | undefined
}

class FileChanged extends Schema.TaggedError<FileChanged>()("FileChanged", { path: Schema.String }) {
  override get message() {
    return `${this.path} has changed in the part that was already sent; restore it, or send the whole file again with --again.`
  }
}

const isBegin = ({ part }: Line) => part === "first" || part === "whole"
const isBlank = ({ raw }: Line) => /^\s*$/.test(raw.toString("latin1", 0, 1000))

interface Reading<R> {
  readonly format: Format
  readonly split: ReturnType<typeof splitter>
  readonly parse: ReturnType<LineParser<R>>
}

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

async function* read<R>(
  source: Source,
  { complete, checkpoint, bytesOf, ...options }: BatchOptions<R>
): AsyncGenerator<Batch<R> | Waiting> {
  const hash = createHash("sha256")
  const begin = checkpoint === undefined ? 0 : checkpoint.done ? checkpoint.end : checkpoint.from
  let position = 0
  let from = begin
  let confirmed = checkpoint === undefined
  let readings: Array<Numbered<R>> = []
  let bytes = 0
  let rejected: Array<Rejected> = []

  const cut = (): Batch<R> => {
    const batch: Batch<R> = {
      _tag: "Batch",
      from,
      end: position,
      digest: hash.copy().digest("hex"),
      readings,
      rejected
    }
    from = position
    readings = []
    bytes = 0
    rejected = []
    return batch
  }
  const confirm = () => {
    if (checkpoint === undefined || confirmed || position < checkpoint.end) return false
    if (position > checkpoint.end || hash.copy().digest("hex") !== checkpoint.digest) {
      throw new FileChanged({ path: source.name })
    }
    confirmed = true
    return true
  }

  function* take(parse: Reading<R>["parse"], line: Line): Generator<Batch<R>> {
    // The line may turn out to have no end yet, so it starts a new batch.
    if (isTooLong(line) && isBegin(line) && confirmed && position > from) yield cut()
    hash.update(line.raw)
    const parsed = parse(line)
    if (line.part === "first" || line.part === "next") return
    position = line.end
    if (parsed._tag === "BadHeader") throw new FileUnreadable({ path: source.name, reason: parsed.reason })
    if (position > begin) {
      if (parsed._tag === "Reading") {
        readings.push({ line: line.number, reading: parsed.reading })
        bytes += bytesOf(parsed.reading)
      }
      if (parsed._tag === "Rejected") rejected.push(parsed.rejected)
    }
    const isReached = confirm()
    const isFull = confirmed && (readings.length + rejected.length >= maxRecords || bytes >= maxBytes)
    if (position > begin && (isReached || isFull)) yield cut()
  }

  function* each({ parse }: Reading<R>, lines: Iterable<Line>): Generator<Batch<R> | Waiting> {
    for (const line of lines) {
      if (line.open && !complete && confirmed) {
        if (!isBlank(line)) yield { _tag: "Waiting", line: line.number }
        return
      }
      yield* take(parse, line)
    }
    if (source.file === undefined && position > from) yield cut()
  }

  /**
   * Continues after the checkpoint, where the file ended in an earlier run. If --complete sent a line without its end,
   * only that line end may follow.
   */
  function* resume(reading: Reading<R>, chunk: Buffer, before: number | undefined) {
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
  const start = () => {
    const format = options.format ?? formatOf(source.name, head)
    const reason = problemOf(format, head)
    if (reason !== undefined) throw new FileUnreadable({ path: source.name, reason })
    return { format: format ?? "csv", split: splitter(format ?? "csv"), parse: options.parser(format ?? "csv") }
  }
  let reading: Reading<R> | undefined
  let offset = 0
  let before: number | undefined
  for await (const piece of piecesOf(source.chunks(), checkpoint?.end)) {
    if (reading === undefined) {
      head = Buffer.concat([head, piece])
      if (head.length >= magicBytes && (options.format ?? formatOf(source.name, head)) !== undefined) {
        reading = start()
        yield* each(reading, reading.split.push(head))
      }
    } else {
      const data: Buffer = offset === checkpoint?.end ? yield* resume(reading, piece, before) : piece
      yield* each(reading, reading.split.push(data))
    }
    offset += piece.length
    before = piece.at(-1)
  }
  if (reading === undefined) {
    reading = start()
    yield* each(reading, reading.split.push(head))
  }
  yield* each(reading, reading.split.end())
  if (!confirmed) throw new FileChanged({ path: source.name })
  if (position > from) yield cut()
}

/** The batches after the checkpoint. One batch is prepared while another is sent. */
export const batches = <R>(source: Source, options: BatchOptions<R>) =>
  Stream.fromAsyncIterable(read(source, options), (cause) =>
    cause instanceof FileChanged || cause instanceof FileUnreadable
      ? cause
      : new FileUnreadable({ path: source.name, reason: reasonOf(cause) })
  ).pipe(Stream.buffer({ capacity: 1 }))
