/**
 * The acknowledged end of the log, in a small file beside it, because SQLite silently drops committed rows after a bit flip
 * in its WAL. It is written without fsync after the log's fsync: it survives a killed process, and after a power loss it is
 * at most behind the log. Readers must read it before the end of the log, or a healthy log seems too short.
 */
import { closeSync, constants, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import { crc32 } from "node:zlib"
import { codeOf } from "../../runtime/files.ts"

export interface HighWaterMark {
  readonly logId: string
  readonly end: number
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, "0")

/** Undefined if the file is missing or torn. */
export const read = (path: string): HighWaterMark | undefined => {
  let line: string
  try {
    line = readFileSync(path, "latin1")
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
  const parts = /^(([0-9a-f-]{36}) +(\d+)) ([0-9a-f]{8})\n$/.exec(line)
  if (parts === null) return undefined
  const [, text = "", logId = "", end = "", sum] = parts
  return checksum(text) === sum ? { logId, end: Number(end) } : undefined
}

const syncFolder = (path: string) => {
  const folder = openSync(path, "r")
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

export interface HighWaterMarkWriter {
  readonly write: (end: number) => void
  readonly close: () => void
}

/** Each update is one write of 63 bytes at offset 0, so that a reader sees the old line or the new one. */
export const open = (path: string, logId: string): HighWaterMarkWriter => {
  const isNew = !existsSync(path)
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
  const line = Buffer.alloc(63)
  ftruncateSync(file, line.length)
  // The server rejects a log without this file, so a power loss must not remove it.
  if (isNew && process.platform !== "win32") {
    fsyncSync(file)
    syncFolder(dirname(path))
  }
  return {
    write: (end) => {
      const text = `${logId} ${String(end).padStart(16)}`
      line.write(`${text} ${checksum(text)}\n`, "latin1")
      if (writeSync(file, line, 0, line.length, 0) !== line.length) throw new Error(`${path} was only partly written`)
    },
    close: () => closeSync(file)
  }
}
