/** The log's file: creating it, opening it to read, checking it. Throws LogCorrupt and LogUnavailable. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Option, Schema } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import { EarlierId } from "../../../services/EventLog.ts"
import { plural } from "../../runtime/plural.ts"
import * as ReadOnly from "../../runtime/ReadOnly.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogTable from "./LogTable.ts"
import { unavailable } from "./logFailures.ts"
import { earlierTable, format, restoredFormat, tables } from "./logRows.ts"

type Folder = DataFolder["Service"]

const decodeMeta = Schema.decodeUnknownOption(Schema.Struct({ log_id: Schema.String, format: Schema.Int }))

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

const remedy =
  "put the missing files back if you have them, or restore a backup (floe restore) into an empty data folder, or start a new log there"

const decodeEarlier = Schema.decodeUnknownSync(Schema.Array(EarlierId))
const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** False if there never was a log; throws LogCorrupt if there was one and it is missing. */
export const isThere = (folder: Folder) => {
  for (const path of [folder.log, `${folder.log}-wal`, folder.logHighWaterMark]) {
    if (isFolder(path)) throw LogTable.corrupt(0, `${path} is a folder, but must be a file; ${remedy}`)
  }
  const mark = HighWaterMark.read(folder.logHighWaterMark)
  if (sizeOf(folder.log) > 0) return true
  if (mark !== undefined) {
    throw LogTable.corrupt(
      0,
      `${folder.log} is missing or empty, but it had the events before offset ${mark.end}; ${remedy}`
    )
  }
  if (statSync(folder.log, { throwIfNoEntry: false }) !== undefined) {
    throw LogTable.corrupt(0, `${folder.log} is empty; ${remedy}`)
  }
  // SQLite would apply the WAL of the lost database to a new one.
  if (sizeOf(`${folder.log}-wal`) > 0)
    throw LogTable.corrupt(0, `${folder.log} is missing, but its WAL exists; ${remedy}`)
  return false
}

export const sync = (path: string) => {
  const file = openSync(path, "r")
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Creates the log under another name and renames it when it is complete. */
export const create = (folder: Folder, logId: string) => {
  const temporary = `${folder.log}.new`
  for (const path of [temporary, `${temporary}-wal`, `${temporary}-shm`, `${temporary}-journal`])
    rmSync(path, { force: true })
  const database = new DatabaseSync(temporary)
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; BEGIN")
    database.exec(tables)
    database.prepare("INSERT INTO meta (id, log_id, format, probes) VALUES (0, ?, ?, 0)").run(logId, format)
    database.exec("COMMIT")
  } finally {
    database.close()
  }
  renameSync(temporary, folder.log)
  if (process.platform !== "win32") {
    sync(folder.log)
    sync(dirname(folder.log))
  }
}

/** Identifies the file of the log or its WAL, to notice that it was replaced. */
export const identityOf = (folder: Folder, end: "" | "-wal" = "") => {
  const file = statSync(`${folder.log}${end}`, { throwIfNoEntry: false })
  return file === undefined ? undefined : `${file.dev}:${file.ino}`
}

export interface LogIdentity {
  readonly logId: string
  readonly earlier: ReadonlyArray<EarlierId>
  /** The first id of the log, which seeds the chain of checksums. */
  readonly chainId: string
}

export const identityIn = (database: DatabaseSync): LogIdentity => {
  const meta = decodeMeta(database.prepare("SELECT log_id, format FROM meta").get())
  if (Option.isNone(meta)) throw LogTable.corrupt(0, "its metadata is unreadable")
  const { format: actual, log_id: logId } = meta.value
  if (actual !== format && actual !== restoredFormat) {
    throw LogTable.corrupt(
      0,
      `it has format ${actual}, but this version of Floe supports only formats ${format} and ${restoredFormat}`
    )
  }
  const earlier =
    actual === format
      ? []
      : decodeEarlier(database.prepare(`SELECT log_id AS logId, "end" FROM earlier ORDER BY rowid`).all())
  return { logId, earlier, chainId: earlier[0]?.logId ?? logId }
}

/**
 * Gives a restored log a new id and records up to where it equals the old log: events that were acknowledged after the
 * backup had positions that new events will reuse.
 */
export const renew = (folder: Folder, renewed: string) => {
  const database = new DatabaseSync(folder.log)
  try {
    const { chainId, logId } = identityIn(database)
    const { end } = LogTable.make(database, chainId).tail()
    database.exec("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; BEGIN IMMEDIATE")
    database.exec(earlierTable)
    database.prepare(`INSERT INTO earlier (log_id, "end") VALUES (?, ?)`).run(logId, end)
    database.prepare("UPDATE meta SET log_id = ?, format = ?").run(renewed, restoredFormat)
    database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
    return { logId: renewed, end }
  } finally {
    database.close()
  }
}

/** The mark must be read before the log's end; it may not be ahead of it. */
export const confirm = (mark: HighWaterMark.HighWaterMark | undefined, logId: string, end: number) => {
  if (mark === undefined) return
  if (mark.logId !== logId) {
    throw LogTable.corrupt(
      0,
      `this is log ${logId}, but log ${mark.logId} with ${plural(mark.end, "event")} was here before; ${remedy}`
    )
  }
  if (mark.end > end) {
    throw LogTable.corrupt(
      end,
      `the log ends here, but the events before offset ${mark.end} were acknowledged; ${remedy}`
    )
  }
}

/**
 * Throws if a log with events has no high-water mark: a copy of log.db alone lacks the newest events without any sign of
 * it. A crash cannot remove the mark, because it was synced when it was created; a torn mark is accepted.
 */
export const requireMark = (folder: Folder, end: number) => {
  if (end === 0 || existsSync(folder.logHighWaterMark)) return
  throw LogTable.corrupt(
    end,
    `${folder.logHighWaterMark} is missing, so it is unknown whether the log has lost events after this offset (a copy of log.db alone lacks them); put log.end and log.db-wal back if you have them, or restore a backup (floe restore) into an empty data folder, or accept the log as it is with: touch '${folder.logHighWaterMark.replaceAll("'", "'\\''")}'`
  )
}

export interface LogFile extends LogTable.LogTable, LogIdentity {
  /** Changes with each commit of another connection. */
  readonly version: () => unknown
  readonly isReplaced: () => boolean
  readonly close: () => void
}

export const open = (folder: Folder): LogFile => {
  if (!isThere(folder)) {
    throw unavailable("open", `there is no log yet at ${folder.log}; start the logging server`)
  }
  // Before the open: afterwards it could be the identity of a newer file.
  const identity = identityOf(folder)
  const { database, isStale } = ReadOnly.open(folder.log, 2_000)
  try {
    const logIdentity = identityIn(database)
    const table = LogTable.make(database, logIdentity.chainId)
    table.events(0, 1)
    const version = database.prepare("PRAGMA data_version")
    const checked = <A extends ReadonlyArray<unknown>, B>(read: (...args: A) => B) => {
      return (...args: A) => {
        const result = read(...args)
        if (isStale()) throw unavailable("read", "a server has just started on it; try again")
        return result
      }
    }
    return {
      ...logIdentity,
      tail: checked(table.tail),
      row: checked(table.row),
      events: checked(table.events),
      version: () => version.get()?.data_version,
      isReplaced: () => identityOf(folder) !== identity || isStale(),
      close: () => database.close()
    }
  } catch (cause) {
    database.close()
    throw cause
  }
}
