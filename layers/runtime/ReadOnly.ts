/**
 * A database in WAL mode, opened to read by somebody who may not write beside it: another user, a read-only mount, a full
 * disk. SQLite makes two files beside such a database even to read it, unless they are there.
 */
import { existsSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"

/** SQLite's codes for a file that may not be written, cannot be opened, or has no room on the disk. */
const cannotWrite = new Set([8, 13, 14])
/** Extended codes of an I/O error while the index of the WAL is opened, made or mapped. */
const cannotIndex = new Set([4618, 4874, 5386])

export const isWriteRefused = (cause: unknown) =>
  cause instanceof Error &&
  "errcode" in cause &&
  typeof cause.errcode === "number" &&
  (cannotWrite.has(cause.errcode & 0xff) || cannotIndex.has(cause.errcode))

export class NeedsWriting extends Error {}

export interface ReadOnly {
  readonly database: DatabaseSync
  /** A writer has opened it meanwhile, so what was read since may be torn: open it again. */
  readonly isStale: () => boolean
}

const connect = (path: string | URL, timeout: number) => {
  const database = new DatabaseSync(path, { readOnly: true, timeout })
  try {
    database.exec("SELECT count(*) FROM sqlite_schema")
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

const versionOf = (path: string) => {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false })
  return file === undefined ? undefined : `${file.ino} ${file.size} ${file.mtimeNs}`
}

/**
 * While the WAL is empty, all of the database is in the one file. That may be read as it is until a writer comes, which
 * fills a WAL before it changes the file.
 */
export const open = (path: string, timeout: number): ReadOnly => {
  try {
    return { database: connect(path, timeout), isStale: () => false }
  } catch (cause) {
    if (!isWriteRefused(cause)) throw cause
    const wal = `${path}-wal`
    if (sizeOf(wal) > 0) {
      if (existsSync(`${path}-shm`)) throw cause
      throw new NeedsWriting(
        `its newest part is in ${wal}, which cannot be read where no file can be made beside it; copy the data folder to where you may write, and set FLOE_DATA to the copy`,
        { cause }
      )
    }
    const version = versionOf(path)
    const unchanging = pathToFileURL(path)
    unchanging.searchParams.set("immutable", "1")
    return { database: connect(unchanging, timeout), isStale: () => sizeOf(wal) > 0 || versionOf(path) !== version }
  }
}
