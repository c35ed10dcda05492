/**
 * The acknowledged end of each stream, in a small file beside the log, because SQLite silently drops committed rows after a
 * bit flip in its WAL. It is written without fsync after the log's fsync: it survives a killed process, and after a power
 * loss it is at most behind the log. Readers must read it before the end of the log, or a healthy log seems too short.
 *
 * The first 63 bytes are weather's line. Every other stream has a slot of 128 bytes after them; no slot crosses a page.
 */
import { closeSync, constants, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs"
import { dirname } from "node:path"
import { crc32 } from "node:zlib"
import { codeOf } from "../../runtime/files.ts"

export interface HighWaterMark {
  readonly logId: string
  readonly end: number
}

/** By stream. A stream without a mark never had one, or it is torn. */
export type HighWaterMarks = ReadonlyMap<string, HighWaterMark>

const weather = "weather"
const lineLength = 63
const slotLength = 128
const nameLength = 65

const checksum = (text: string) => crc32(text).toString(16).padStart(8, "0")

const lineOf = (logId: string, end: number, name: string) => {
  const text = `${name}${logId} ${String(end).padStart(16)}`
  return `${text} ${checksum(text)}\n`
}

const parse = (line: string, name: string): HighWaterMark | undefined => {
  if (!line.startsWith(name)) return undefined
  const parts = /^(([0-9a-f-]{36}) +(\d+)) ([0-9a-f]{8})\n$/.exec(line.slice(name.length))
  if (parts === null) return undefined
  const [, text = "", logId = "", end = "", sum] = parts
  return checksum(`${name}${text}`) === sum ? { logId, end: Number(end) } : undefined
}

const contentOf = (path: string) => {
  try {
    return readFileSync(path, "latin1")
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return ""
    throw cause
  }
}

const slotsIn = function* (content: string) {
  for (let at = slotLength; at + slotLength <= content.length; at += slotLength) {
    const slot = content.slice(at, at + slotLength)
    yield { at, stream: slot.slice(0, nameLength).trimEnd(), mark: parse(slot, slot.slice(0, nameLength)) }
  }
}

/** Undefined if the stream has no mark, the file is missing or the mark is torn. */
export const read = (path: string, stream = weather): HighWaterMark | undefined => {
  const content = contentOf(path)
  if (stream === weather) return parse(content.slice(0, lineLength), "")
  const at = content.indexOf(stream.padEnd(nameLength), slotLength)
  return at < 0 ? undefined : parse(content.slice(at, at + slotLength), stream.padEnd(nameLength))
}

export const readAll = (path: string): HighWaterMarks => {
  const content = contentOf(path)
  const marks = new Map<string, HighWaterMark>()
  const first = parse(content.slice(0, lineLength), "")
  if (first !== undefined) marks.set(weather, first)
  for (const { stream, mark } of slotsIn(content)) if (mark !== undefined) marks.set(stream, mark)
  return marks
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
  readonly write: (end: number, stream?: string) => void
  readonly close: () => void
}

/** Each update is one write at a fixed place, so that a reader sees the old line or the new one. */
export const open = (path: string, logId: string): HighWaterMarkWriter => {
  const isNew = !existsSync(path)
  const content = contentOf(path)
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
  const places = new Map<string, number>([[weather, 0]])
  let next = slotLength
  for (const { at, stream } of slotsIn(content)) {
    places.set(stream, at)
    next = at + slotLength
  }
  ftruncateSync(file, places.size === 1 ? lineLength : next)
  // The server rejects a log without this file, so a power loss must not remove it.
  if (isNew && process.platform !== "win32") {
    fsyncSync(file)
    syncFolder(dirname(path))
  }
  const line = Buffer.alloc(lineLength)
  const slot = Buffer.alloc(slotLength)

  const put = (buffer: Buffer, at: number) => {
    if (writeSync(file, buffer, 0, buffer.length, at) !== buffer.length)
      throw new Error(`${path} was only partly written`)
  }

  const placeOf = (stream: string) => {
    const at = places.get(stream) ?? next
    if (at === slotLength && next === slotLength)
      put(Buffer.from(`${" ".repeat(slotLength - lineLength - 1)}\n`), lineLength)
    return at
  }

  return {
    write: (end, stream = weather) => {
      if (stream === weather) {
        line.write(lineOf(logId, end, ""), "latin1")
        return put(line, 0)
      }
      const at = placeOf(stream)
      slot.write(lineOf(logId, end, stream.padEnd(nameLength)), "latin1")
      put(slot, at)
      if (places.has(stream)) return
      places.set(stream, at)
      next = at + slotLength
      if (process.platform !== "win32") fsyncSync(file)
    },
    close: () => closeSync(file)
  }
}
