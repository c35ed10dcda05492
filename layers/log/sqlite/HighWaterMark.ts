/**
 * How far the log was acknowledged, in a small file beside it: SQLite drops committed rows in silence when a bit of its
 * WAL flips. Written without fsync after the log's own, it outlives a killed process, and after a power loss it is at
 * most older than the log. Readers must read it before the end of the log, or a healthy log seems shorter than it says.
 */
import { closeSync, constants, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import { crc32 } from "node:zlib"

export interface HighWaterMark {
  readonly logId: string
  readonly end: number
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, "0")

const isMissing = (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

/** Undefined if there is none or it was torn: no evidence. */
export const read = (path: string): HighWaterMark | undefined => {
  let line: string
  try {
    line = readFileSync(path, "latin1")
  } catch (cause) {
    if (isMissing(cause)) return undefined
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

/** One positional write of 63 bytes each time, so that a reader finds the old line or the new one. */
export const open = (path: string, logId: string): HighWaterMarkWriter => {
  const isNew = !existsSync(path)
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
  const line = Buffer.alloc(63)
  ftruncateSync(file, line.length)
  // A log without this file is refused, so a power loss must not take it away.
  if (isNew && process.platform !== "win32") {
    fsyncSync(file)
    syncFolder(dirname(path))
  }
  return {
    write: (end) => {
      const text = `${logId} ${String(end).padStart(16)}`
      line.write(`${text} ${checksum(text)}\n`, "latin1")
      if (writeSync(file, line, 0, line.length, 0) !== line.length) throw new Error(`${path} was written in part`)
    },
    close: () => closeSync(file)
  }
}
