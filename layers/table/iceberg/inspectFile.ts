/** Checks that a file of the table exists and is intact, judged by its size and its first and last bytes. */
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { Effect } from "effect"
import * as Files from "../../runtime/files.ts"

const magic = "PAR1"
const minBytes = 12

const reasons: Record<string, string> = {
  ENOENT: "is missing",
  ENOTDIR: "is missing",
  EACCES: "may not be read: permission denied",
  EPERM: "may not be read: permission denied",
  EIO: "cannot be read: the disk reports an error",
  ELOOP: "is a broken symbolic link"
}

const bytesAt = async (file: Awaited<ReturnType<typeof open>>, position: number, length: number) =>
  (await file.read(Buffer.alloc(length), 0, length, position)).buffer

const endsOf = async (file: Awaited<ReturnType<typeof open>>, size: number) => {
  const first = await bytesAt(file, 0, magic.length)
  const last = await bytesAt(file, size - 8, 8)
  if (first.toString("latin1") !== magic || last.toString("latin1", 4) !== magic)
    return "is damaged: it is not a Parquet file"
  if (last.readUInt32LE(0) > size - minBytes) return "is damaged: the length of its footer is impossible"
  return undefined
}

const inspect = async (path: string, bytes: number, isParquet: boolean) => {
  // O_NONBLOCK: opening a pipe would otherwise wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = await file.stat()
    if (status.isDirectory()) return "is a folder, not a file"
    if (!status.isFile()) return "is not a file"
    if (status.size !== bytes) return `has ${status.size} bytes instead of ${bytes}`
    return isParquet
      ? bytes < minBytes
        ? "is damaged: it is not a Parquet file"
        : await endsOf(file, bytes)
      : undefined
  } finally {
    await file.close()
  }
}

/** What is wrong with a file that should have this many bytes, as the end of a sentence; undefined if it is intact. */
export const faultOf = (path: string, bytes: number, isParquet = true) =>
  Effect.promise(() =>
    inspect(path, bytes, isParquet).catch(
      (cause: unknown) =>
        reasons[Files.codeOf(cause) ?? ""] ?? `cannot be read: ${cause instanceof Error ? cause.message : cause}`
    )
  )
