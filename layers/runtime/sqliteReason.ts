/** Errors of SQLite and the file system as the end of a sentence. */
import { NeedsWriting } from "./ReadOnly.ts"

const sqliteReasons: Record<number, string> = {
  3: "permission to its file is denied; check its owner and permissions",
  5: "another program holds its file; stop that program",
  6: "another program holds its file; stop that program",
  7: "out of memory",
  8: "its file is not writable; check its owner and permissions",
  9: "the operation was interrupted",
  10: "reading or writing its file failed (disk I/O error); check the disk",
  13: "the disk is full; free some space, and it resumes by itself",
  14: "its file cannot be opened; check its owner and permissions, and that its disk has space",
  15: "another program holds its file; stop that program",
  23: "permission to its file is denied; check its owner and permissions"
}

const fileReasons: Record<string, string> = {
  EACCES: "permission to its file is denied; check its owner and permissions",
  EPERM: "permission to its file is denied; check its owner and permissions",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full; free some space, and it resumes by itself",
  EDQUOT: "the disk quota is used up; free some space, and it resumes by itself",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  ERR_INVALID_STATE: "it is closed"
}

const sqliteFull = 13
/** SQLITE_IOERR_SHORT_READ: the file is shorter than SQLite expects. */
const shortRead = 522
/** SQLITE_IOERR_SHMSIZE: the index of the WAL cannot grow. */
const noRoomForIndex = 4874

/** The first byte of SQLite's error code. */
const codeOf = (code: number) => (code === noRoomForIndex ? sqliteFull : code & 0xff)

export const isDiskFull = (cause: unknown) =>
  cause instanceof Error &&
  (("errcode" in cause && typeof cause.errcode === "number" && codeOf(cause.errcode) === sqliteFull) ||
    ("code" in cause && cause.code === "ENOSPC"))

/** The reason of a failure that can pass or be fixed; undefined for signs of damage. */
export const passing = (cause: unknown) => {
  if (!(cause instanceof Error)) return undefined
  if (cause instanceof NeedsWriting) return cause.message
  if ("errcode" in cause && typeof cause.errcode === "number") {
    if (cause.errcode === shortRead) return undefined
    return sqliteReasons[codeOf(cause.errcode)]
  }
  if (!("code" in cause) || typeof cause.code !== "string") return undefined
  return fileReasons[cause.code] ?? ("syscall" in cause ? cause.message : undefined)
}

export const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/** The reason of any failure, as the end of a sentence. */
export const reasonOf = (cause: unknown) => passing(cause) ?? messageOf(cause)
