/** The log's file: making it, opening it to read, and what speaks against it. What it finds wrong it throws. */
import { randomUUID } from "node:crypto"
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
  "put the missing files back if you have them, or restore a backup (floe restore) into an empty data folder, or begin a new log there"

const decodeEarlier = Schema.decodeUnknownSync(Schema.Array(EarlierId))
const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** False if there never was a log; throws LogCorrupt if there was one and it is gone. */
export const isThere = (folder: Folder) => {
  for (const path of [folder.log, `${folder.log}-wal`, folder.logHighWaterMark]) {
    if (isFolder(path)) throw LogTable.broken(0, `${path} is a folder, and a file belongs there; ${remedy}`)
  }
  const witness = HighWaterMark.read(folder.logHighWaterMark)
  if (sizeOf(folder.log) > 0) return true
  if (witness !== undefined) {
    throw LogTable.broken(
      0,
      `${folder.log} is missing or empty, and it held the events before offset ${witness.end}; ${remedy}`
    )
  }
  if (statSync(folder.log, { throwIfNoEntry: false }) !== undefined) {
    throw LogTable.broken(0, `${folder.log} is empty; ${remedy}`)
  }
  // Put beside a new database, the WAL of the lost one would be taken for its own.
  if (sizeOf(`${folder.log}-wal`) > 0)
    throw LogTable.broken(0, `${folder.log} is missing, and its WAL is there; ${remedy}`)
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

/** Made under another name and renamed when it is whole, so that a log that is there is never half made. */
export const create = (folder: Folder) => {
  const making = `${folder.log}.new`
  for (const path of [making, `${making}-wal`, `${making}-shm`, `${making}-journal`]) rmSync(path, { force: true })
  const database = new DatabaseSync(making)
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; BEGIN")
    database.exec(tables)
    database.prepare("INSERT INTO meta (id, log_id, format, probes) VALUES (0, ?, ?, 0)").run(randomUUID(), format)
    database.exec("COMMIT")
  } finally {
    database.close()
  }
  renameSync(making, folder.log)
  if (process.platform !== "win32") {
    sync(folder.log)
    sync(dirname(folder.log))
  }
}

/** Which file the path of the log, or of its WAL, leads to; another one if it was replaced. */
export const identityOf = (folder: Folder, end: "" | "-wal" = "") => {
  const file = statSync(`${folder.log}${end}`, { throwIfNoEntry: false })
  return file === undefined ? undefined : `${file.dev}:${file.ino}`
}

export interface LogIdentity {
  readonly logId: string
  readonly earlier: ReadonlyArray<EarlierId>
  /** The first id that the log had: the chain of checksums begins with it. */
  readonly chainId: string
}

export const identityIn = (database: DatabaseSync): LogIdentity => {
  const meta = decodeMeta(database.prepare("SELECT log_id, format FROM meta").get())
  if (Option.isNone(meta)) throw LogTable.broken(0, "its own description is not readable")
  const { format: found, log_id: logId } = meta.value
  if (found !== format && found !== restoredFormat) {
    throw LogTable.broken(
      0,
      `it has format ${found}, and this version of Floe knows formats ${format} and ${restoredFormat} only`
    )
  }
  const earlier =
    found === format
      ? []
      : decodeEarlier(database.prepare(`SELECT log_id AS logId, "end" FROM earlier ORDER BY rowid`).all())
  return { logId, earlier, chainId: earlier[0]?.logId ?? logId }
}

/**
 * Gives a restored log another id, and notes up to where it is the log that it was: events that were acknowledged after
 * the backup had positions that new events will get again.
 */
export const renew = (folder: Folder) => {
  const database = new DatabaseSync(folder.log)
  try {
    const { chainId, logId } = identityIn(database)
    const { end } = LogTable.make(database, chainId).tail()
    const renewed = randomUUID()
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

/** A witness read before the log's end was looked up must not be ahead of it. */
export const confirm = (witness: HighWaterMark.HighWaterMark | undefined, logId: string, end: number) => {
  if (witness === undefined) return
  if (witness.logId !== logId) {
    throw LogTable.broken(
      0,
      `this is log ${logId}, and log ${witness.logId} with ${plural(witness.end, "event")} was here before; ${remedy}`
    )
  }
  if (witness.end > end) {
    throw LogTable.broken(
      end,
      `the log ends here, and the events before offset ${witness.end} were acknowledged; ${remedy}`
    )
  }
}

/**
 * A log that was copied without the files beside it lacks its newest events, and nothing in it says so. The file is synced
 * when it is made, so no crash takes it away; one that a crash has torn is there, and does not count against the log.
 */
export const refuseAlone = (folder: Folder, end: number) => {
  if (end === 0 || existsSync(folder.logHighWaterMark)) return
  throw LogTable.broken(
    end,
    `${folder.logHighWaterMark} is missing, so nothing tells whether the log has lost events after this offset, as a copy of log.db alone has; put log.end and log.db-wal back if you have them, or restore a backup (floe restore) into an empty data folder, or accept the log as it is with: touch '${folder.logHighWaterMark.replaceAll("'", "'\\''")}'`
  )
}

export interface LogFile extends LogTable.LogTable, LogIdentity {
  /** Changes with every commit of another connection. */
  readonly version: () => unknown
  readonly isReplaced: () => boolean
  readonly close: () => void
}

export const open = (folder: Folder): LogFile => {
  if (!isThere(folder)) {
    throw unavailable("open", `there is no log yet at ${folder.log}; start the logging server`)
  }
  // Before it is opened: taken after, it could be that of a newer file than the one that is open.
  const identity = identityOf(folder)
  const { database, isStale } = ReadOnly.open(folder.log, 2_000)
  try {
    const logIdentity = identityIn(database)
    const table = LogTable.make(database, logIdentity.chainId)
    table.events(0, 1)
    const version = database.prepare("PRAGMA data_version")
    const settled = <A extends ReadonlyArray<unknown>, B>(look: (...args: A) => B) => {
      return (...args: A) => {
        const found = look(...args)
        if (isStale()) throw unavailable("read", "a server has just started on it; try again")
        return found
      }
    }
    return {
      ...logIdentity,
      tail: settled(table.tail),
      row: settled(table.row),
      events: settled(table.events),
      version: () => version.get()?.data_version,
      isReplaced: () => identityOf(folder) !== identity || isStale(),
      close: () => database.close()
    }
  } catch (cause) {
    database.close()
    throw cause
  }
}
