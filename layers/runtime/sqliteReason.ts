/** What SQLite and the file system throw, as the end of a sentence. */
import { NeedsWriting } from "./ReadOnly.ts"

const sqliteReasons: Record<number, string> = {
  3: "its file may not be read or written; check its owner and permissions",
  5: "another program holds its file; stop that program",
  6: "another program holds its file; stop that program",
  7: "memory is short",
  8: "its file may not be written; check its owner and permissions",
  9: "the operation was interrupted",
  10: "its file cannot be read or written (disk I/O error); check the disk",
  13: "the disk is full; make room and it goes on by itself",
  14: "its file cannot be opened; check its owner and permissions, and that its disk has room",
  15: "another program holds its file; stop that program",
  23: "its file may not be read or written; check its owner and permissions"
}

const fileReasons: Record<string, string> = {
  EACCES: "its file may not be read or written; check its owner and permissions",
  EPERM: "its file may not be read or written; check its owner and permissions",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full; make room and it goes on by itself",
  EDQUOT: "the disk quota is used up; make room and it goes on by itself",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  ERR_INVALID_STATE: "it is closed"
}

/** A read beyond the end of a file that SQLite knows to be longer. */
const shortRead = 522
/** The index of the WAL cannot be made as large as it must be. */
const noRoomForIndex = 4874

/** The reason if it may pass by itself or by hand; undefined for whatever speaks of damage. */
export const passing = (cause: unknown) => {
  if (!(cause instanceof Error)) return undefined
  if (cause instanceof NeedsWriting) return cause.message
  if ("errcode" in cause && typeof cause.errcode === "number") {
    if (cause.errcode === shortRead) return undefined
    return sqliteReasons[cause.errcode === noRoomForIndex ? 13 : cause.errcode & 0xff]
  }
  if (!("code" in cause) || typeof cause.code !== "string") return undefined
  return fileReasons[cause.code] ?? ("syscall" in cause ? cause.message : undefined)
}

export const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** What is wrong, as the end of a sentence. */
export const reasonOf = (cause: unknown) => passing(cause) ?? messageOf(cause)
