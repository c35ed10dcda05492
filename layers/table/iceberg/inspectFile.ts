/** Whether a file that the table names is there and whole, as far as its size and its first and last bytes tell. */
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { Effect } from "effect"
import * as Files from "../../runtime/files.ts"

const magic = "PAR1"
/** Magic, footer's length, magic. */
const leastBytes = 12

const reasons: Record<string, string> = {
  ENOENT: "is missing",
  ENOTDIR: "is missing",
  EACCES: "may not be read: permission denied",
  EPERM: "may not be read: permission denied",
  EIO: "cannot be read: the disk reports an error",
  ELOOP: "is a link that leads nowhere"
}

const bytesAt = async (file: Awaited<ReturnType<typeof open>>, position: number, length: number) =>
  (await file.read(Buffer.alloc(length), 0, length, position)).buffer

const endsOf = async (file: Awaited<ReturnType<typeof open>>, size: number) => {
  const first = await bytesAt(file, 0, magic.length)
  const last = await bytesAt(file, size - 8, 8)
  if (first.toString("latin1") !== magic || last.toString("latin1", 4) !== magic)
    return "is damaged: it is no Parquet file"
  if (last.readUInt32LE(0) > size - leastBytes) return "is damaged: its footer cannot be right"
  return undefined
}

const inspect = async (path: string, bytes: number, isParquet: boolean) => {
  // A pipe in its place must not keep anybody waiting.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const found = await file.stat()
    if (found.isDirectory()) return "is a folder and not a file"
    if (!found.isFile()) return "is not a file"
    if (found.size !== bytes) return `has ${found.size} bytes instead of ${bytes}`
    return isParquet
      ? bytes < leastBytes
        ? "is damaged: it is no Parquet file"
        : await endsOf(file, bytes)
      : undefined
  } finally {
    await file.close()
  }
}

/** What is wrong with a file of so many bytes, as the end of a sentence; undefined if nothing is. */
export const faultOf = (path: string, bytes: number, isParquet = true) =>
  Effect.promise(() =>
    inspect(path, bytes, isParquet).catch(
      (cause: unknown) =>
        reasons[Files.codeOf(cause) ?? ""] ?? `cannot be read: ${cause instanceof Error ? cause.message : cause}`
    )
  )
