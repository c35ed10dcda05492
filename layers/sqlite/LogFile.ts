/** The log's file: making it, opening it to read, and what speaks against it. What it finds wrong it throws. */
import { randomUUID } from "node:crypto"
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Option, Schema } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import * as LogTable from "./LogTable.ts"
import { unavailable } from "./logFailures.ts"
import { format, tables } from "./logRows.ts"
import * as Witness from "./Witness.ts"

type Folder = DataFolder["Service"]

const decodeMeta = Schema.decodeUnknownOption(Schema.Struct({ log_id: Schema.String, format: Schema.Int }))

const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0

const remedy = "put back the newest copy of log.db, log.db-wal and log.end, or begin a new log in an empty data folder"

/** False if there never was a log; throws LogBroken if there was one and it is gone. */
export const isThere = (folder: Folder) => {
  const witness = Witness.read(folder.logWitness)
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

const sync = (path: string) => {
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

/** Which file the path leads to; another one if the log was replaced. */
export const identityOf = (folder: Folder) => {
  const file = statSync(folder.log, { throwIfNoEntry: false })
  return file === undefined ? undefined : `${file.dev}:${file.ino}`
}

export const logIdOf = (database: DatabaseSync) => {
  const meta = decodeMeta(database.prepare("SELECT log_id, format FROM meta").get())
  if (Option.isNone(meta)) throw LogTable.broken(0, "its own description is not readable")
  if (meta.value.format !== format) {
    throw LogTable.broken(0, `it has format ${meta.value.format}, and this version of Floe knows format ${format} only`)
  }
  return meta.value.log_id
}

/** A witness read before the log's end was looked up must not be ahead of it. */
export const confirm = (witness: Witness.Witness | undefined, logId: string, end: number) => {
  if (witness === undefined) return
  if (witness.logId !== logId) {
    throw LogTable.broken(
      0,
      `this is log ${logId}, and log ${witness.logId} with ${witness.end} events was here before; ${remedy}`
    )
  }
  if (witness.end > end) {
    throw LogTable.broken(
      end,
      `the log ends here, and the events before offset ${witness.end} were acknowledged; ${remedy}`
    )
  }
}

export interface LogFile extends LogTable.LogTable {
  readonly logId: string
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
  const database = new DatabaseSync(folder.log, { readOnly: true, timeout: 2_000 })
  try {
    const logId = logIdOf(database)
    const table = LogTable.make(database, logId)
    table.events(0, 1)
    const version = database.prepare("PRAGMA data_version")
    return {
      ...table,
      logId,
      version: () => version.get()?.data_version,
      isReplaced: () => identityOf(folder) !== identity,
      close: () => database.close()
    }
  } catch (cause) {
    database.close()
    throw cause
  }
}
