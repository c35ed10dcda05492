/** A file cut into batches, the same ones each time as long as the file is the same. */
import { createHash } from "node:crypto"
import { Schema, Stream } from "effect"
import type { WeatherReading } from "../../services/Weather.ts"
import { lines } from "./Lines.ts"
import { type Format, parser, type Refused } from "./Records.ts"

/** Some 10 ms of the server's work, and at most 2 MiB of its 5. */
const maxRecords = 1000

export interface Numbered {
  readonly line: number
  readonly reading: WeatherReading
}

export interface Batch {
  /** From where to before where in the file. */
  readonly from: number
  readonly end: number
  /** SHA-256 of all that the file has before `end`. */
  readonly digest: string
  readonly readings: ReadonlyArray<Numbered>
  readonly refused: ReadonlyArray<Refused>
}

/** A place that was reached before, and what the file had before it. */
export interface Checkpoint {
  readonly from: number
  readonly end: number
  readonly digest: string
  /** Begin behind it, and not with the batch that leads up to it. */
  readonly done: boolean
}

export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} cannot be sent: ${this.reason}.`
  }
}

class FileChanged extends Schema.TaggedError<FileChanged>()("FileChanged", { path: Schema.String }) {
  override get message() {
    return `${this.path} is no longer what it was in the part that was sent already; put it back as it was, or send all of it once more with --again.`
  }
}

async function* read(path: string, format: Format, checkpoint: Checkpoint | undefined): AsyncGenerator<Batch> {
  const parse = parser(format)
  const hash = createHash("sha256")
  const begin = checkpoint === undefined ? 0 : checkpoint.done ? checkpoint.end : checkpoint.from
  let position = 0
  let from = begin
  let confirmed = checkpoint === undefined
  let readings: Array<Numbered> = []
  let refused: Array<Refused> = []

  const cut = (): Batch => {
    const batch = { from, end: position, digest: hash.copy().digest("hex"), readings, refused }
    from = position
    readings = []
    refused = []
    return batch
  }
  /** True where the checkpoint is reached. */
  const confirm = () => {
    if (checkpoint === undefined || confirmed || position < checkpoint.end) return false
    if (position > checkpoint.end || hash.copy().digest("hex") !== checkpoint.digest) throw new FileChanged({ path })
    confirmed = true
    return true
  }

  for await (const group of lines(path, format === "csv")) {
    for (const line of group) {
      hash.update(line.raw)
      position = line.end
      const parsed = parse(line)
      if (parsed._tag === "BadHeader") throw new FileUnreadable({ path, reason: parsed.reason })
      if (position > begin) {
        if (parsed._tag === "Reading") readings.push({ line: line.number, reading: parsed.reading })
        if (parsed._tag === "Refused") refused.push(parsed.refused)
      }
      const isReached = confirm()
      const isFull = confirmed && readings.length + refused.length >= maxRecords
      if (position > begin && (isReached || isFull)) yield cut()
    }
  }
  if (!confirmed) throw new FileChanged({ path })
  if (position > from) yield cut()
}

const reasons: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder"
}

const reasonOf = (cause: unknown) => {
  if (!(cause instanceof Error)) return String(cause)
  return ("code" in cause && typeof cause.code === "string" && reasons[cause.code]) || cause.message
}

/** What is not sent yet; one batch is prepared while another is sent. */
export const batches = (path: string, format: Format, checkpoint: Checkpoint | undefined) =>
  Stream.fromAsyncIterable(read(path, format, checkpoint), (cause) =>
    cause instanceof FileChanged || cause instanceof FileUnreadable
      ? cause
      : new FileUnreadable({ path, reason: reasonOf(cause) })
  ).pipe(Stream.buffer({ capacity: 1 }))
