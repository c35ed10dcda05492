/**
 * Reads a database in WAL mode without write access to its folder: as another user, on a read-only mount, on a full disk.
 * Even to read such a database, SQLite creates two files beside it.
 */
import { existsSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"

/** SQLITE_READONLY, SQLITE_CANTOPEN and SQLITE_FULL. */
const cannotWrite = new Set([8, 13, 14])
/** SQLITE_IOERR_SHMOPEN, _SHMSIZE and _SHMMAP. */
const cannotIndex = new Set([4618, 4874, 5386])

export const isWriteDenied = (cause: unknown) =>
  cause instanceof Error &&
  "errcode" in cause &&
  typeof cause.errcode === "number" &&
  (cannotWrite.has(cause.errcode & 0xff) || cannotIndex.has(cause.errcode))

export class NeedsWriting extends Error {}

export interface ReadOnly {
  readonly database: DatabaseSync
  /** Whether a writer has opened the database since: reads may be torn, so open it again. */
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

/** With an empty WAL the whole database is in one file, which does not change until a writer has filled a WAL. */
export const open = (path: string, timeout: number): ReadOnly => {
  try {
    return { database: connect(path, timeout), isStale: () => false }
  } catch (cause) {
    if (!isWriteDenied(cause)) throw cause
    const wal = `${path}-wal`
    if (sizeOf(wal) > 0) {
      if (existsSync(`${path}-shm`)) throw cause
      throw new NeedsWriting(
        `its newest part is in ${wal}, which can only be read in a writable folder; copy the data folder to a place where you may write, and set FLOE_DATA to the copy`,
        { cause }
      )
    }
    const version = versionOf(path)
    const unchanging = pathToFileURL(path)
    unchanging.searchParams.set("immutable", "1")
    return { database: connect(unchanging, timeout), isStale: () => sizeOf(wal) > 0 || versionOf(path) !== version }
  }
}
