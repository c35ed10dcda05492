/** The source of records: a file, which can be read again, or a stream that is read once, for example a pipe. */
import { constants, createReadStream, openSync } from "node:fs"
import { realpath, stat } from "node:fs/promises"
import { Socket } from "node:net"
import { Effect, Schema } from "effect"
import { chunkBytes, type Format } from "./lines.ts"

export interface Source {
  /** The name as given. */
  readonly name: string
  /** The file with links resolved; undefined for a stream. */
  readonly file: { readonly path: string; readonly size: number } | undefined
  readonly chunks: () => AsyncIterable<Buffer>
}

export class FileUnreadable extends Schema.TaggedError<FileUnreadable>()("FileUnreadable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} cannot be sent: ${this.reason}.`
  }
}

const reasons: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ENOSPC: "the disk is full"
}

export const reasonOf = (cause: unknown) => {
  if (!(cause instanceof Error)) return String(cause)
  return ("code" in cause && typeof cause.code === "string" && reasons[cause.code]) || cause.message
}

/** A socket as standard input cannot be opened by these names. */
const standardInput = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]

/** Non-blocking: a blocking open would keep the process alive until something writes to the pipe. */
const pipe = (name: string) =>
  new Socket({ fd: openSync(name, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false })

export const open = Effect.fnUntraced(function* (name: string) {
  const { file, isPipe } = yield* Effect.tryPromise({
    try: async () => {
      const stats = name === "-" ? undefined : await stat(name)
      if (stats?.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" })
      const file = stats?.isFile() ? { path: await realpath(name), size: stats.size } : undefined
      return { file, isPipe: stats?.isFIFO() }
    },
    catch: (cause) => new FileUnreadable({ path: name, reason: reasonOf(cause) })
  })
  const chunks = (): AsyncIterable<Buffer> => {
    if (file === undefined && standardInput.includes(name)) return process.stdin
    return isPipe ? pipe(name) : createReadStream(file?.path ?? name, { highWaterMark: chunkBytes })
  }
  return { name: name === "-" ? "Standard input" : name, file, chunks } satisfies Source
})

const isBlank = (byte: number) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
const byteOrderMark = Buffer.from("\ufeff")

const firstOf = (head: Buffer) =>
  (head.subarray(0, 3).equals(byteOrderMark) ? head.subarray(3) : head).find((byte) => !isBlank(byte))

/** Detects the format by name, else by content; undefined while there is only white space. */
export const formatOf = (name: string, head: Buffer): Format | undefined => {
  if (/\.csv$/i.test(name)) return "csv"
  if (/\.(ndjson|jsonl)$/i.test(name)) return "ndjson"
  const first = firstOf(head)
  if (first === undefined) return undefined
  return first === 0x7b || first === 0x5b ? "ndjson" : "csv"
}

/** The number of bytes that `problemOf` needs. */
export const magicBytes = 4

const magics: ReadonlyArray<readonly [string, string]> = [
  ["1f8b", "it is compressed; decompress it first: gzip -dc … | floe send --file -"],
  ["28b52ffd", "it is compressed; decompress it first: zstd -dc … | floe send --file -"],
  ["504b0304", "it is a zip archive or a spreadsheet; unpack it or save it as CSV first"]
]

/** Why a file that starts with these bytes cannot be sent; undefined if it may be valid. */
export const problemOf = (format: Format | undefined, head: Buffer) => {
  const hex = head.toString("hex", 0, magicBytes)
  const magic = magics.find(([begin]) => hex.startsWith(begin))
  if (magic !== undefined) return magic[1]
  if (/^(?:fffe|feff|00(?!00)..|(?!00)..00)/.test(hex)) {
    return "it is in UTF-16; convert it first: iconv -f UTF-16 -t UTF-8 … | floe send --file -"
  }
  return format === "ndjson" && firstOf(head) === 0x5b
    ? "it is a JSON array, but a file must have one record per line; convert it first: jq -c '.[]' … | floe send --file -"
    : undefined
}
