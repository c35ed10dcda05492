/** The log's file: creating it, opening it to read, checking it. Throws LogCorrupt and LogUnavailable. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Option, Schema } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import { EarlierId, type LogRecord } from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import * as ReadOnly from "../../runtime/ReadOnly.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogTable from "./LogTable.ts"
import { missing, unavailable } from "./logFailures.ts"
import { rowsOf, weatherRows } from "./logRows.ts"
import { createTables, format, hasStreams, restoredFormat, streamsIn, upgrade } from "./schema.ts"

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
    createTables(database, logId)
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
  readonly format: number
  readonly logId: string
  /** With the ends of weather. */
  readonly earlier: ReadonlyArray<EarlierId>
  /** The first id of the log, which seeds the chains of checksums. */
  readonly chainId: string
}

export const identityIn = (database: DatabaseSync): LogIdentity => {
  const meta = decodeMeta(database.prepare("SELECT log_id, format FROM meta").get())
  if (Option.isNone(meta)) throw LogTable.corrupt(0, "its metadata is unreadable")
  const { format: actual, log_id: logId } = meta.value
  if (actual < 1 || actual > format) {
    throw LogTable.corrupt(0, `it has format ${actual}, but this version of Floe supports only formats 1 to ${format}`)
  }
  const earlier =
    actual < restoredFormat
      ? []
      : decodeEarlier(database.prepare(`SELECT log_id AS logId, "end" FROM earlier ORDER BY rowid`).all())
  return { format: actual, logId, earlier, chainId: earlier[0]?.logId ?? logId }
}

/** The former ids with the ends of a stream. */
const earlierOf = (database: DatabaseSync, { earlier }: LogIdentity, stream: string) => {
  if (stream === weatherRows.stream) return earlier
  if (!hasStreams(database)) return earlier.map(({ logId }) => ({ logId, end: 0 }))
  const ends = database.prepare(`SELECT log_id AS logId, "end" FROM earlier_streams WHERE stream = ?`).all(stream)
  const end = new Map(decodeEarlier(ends).map((one) => [one.logId, one.end]))
  return earlier.map(({ logId }) => ({ logId, end: end.get(logId) ?? 0 }))
}

/** A stream's events; of one that has no table yet, none. */
const tableOf = (database: DatabaseSync, chainId: string, stream: string): LogTable.LogTable => {
  if (stream === weatherRows.stream) return LogTable.make(database, chainId, weatherRows)
  const rows = rowsOf(stream)
  return streamsIn(database).includes(stream) ? LogTable.make(database, chainId, rows) : LogTable.empty(chainId, rows)
}

/** The verified end of each stream. */
export const endsIn = (database: DatabaseSync, chainId: string): Ends =>
  new Map(streamsIn(database).map((stream) => [stream, tableOf(database, chainId, stream).tail().end]))

/** The end of each stream that has one, weather always. */
export type Ends = ReadonlyMap<string, number>

/** Opens the log to write to it, as an older version may have left it. */
export const openToWrite = (path: string, busyMillis: number) => {
  const database = new DatabaseSync(path, { timeout: busyMillis })
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
    upgrade(database, identityIn(database).format)
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

const renewBusyMillis = 2_000

/**
 * Gives a restored log a new id and records up to where it equals the old log: events that were acknowledged after the
 * backup had positions that new events will reuse.
 */
export const renew = (folder: Folder, renewed: string) => {
  const database = openToWrite(folder.log, renewBusyMillis)
  try {
    const { chainId, logId } = identityIn(database)
    const ends = endsIn(database, chainId)
    database.exec("BEGIN IMMEDIATE")
    database.prepare(`INSERT INTO earlier (log_id, "end") VALUES (?, ?)`).run(logId, ends.get(weatherRows.stream) ?? 0)
    const ofStream = database.prepare(`INSERT INTO earlier_streams (log_id, stream, "end") VALUES (?, ?, ?)`)
    for (const [stream, end] of ends) if (stream !== weatherRows.stream) ofStream.run(logId, stream, end)
    database.prepare("UPDATE meta SET log_id = ?").run(renewed)
    database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
    return { logId: renewed, ends }
  } finally {
    database.close()
  }
}

/** The mark must be read before the log's end; it may not be ahead of it. */
export const confirm = (
  mark: HighWaterMark.HighWaterMark | undefined,
  logId: string,
  end: number,
  stream: string = weatherRows.stream
) => {
  if (mark === undefined) return
  if (mark.logId !== logId) {
    throw LogTable.corrupt(
      0,
      `this is log ${logId}, but log ${mark.logId} with ${plural(mark.end, "event")} was here before; ${remedy}`
    )
  }
  if (mark.end > end) {
    const log = stream === weatherRows.stream ? "the log" : `the log of ${stream}`
    throw LogTable.corrupt(
      end,
      `${log} ends here, but the events before offset ${mark.end} were acknowledged; ${remedy}`
    )
  }
}

/** Confirms the marks of all streams, those without a table included. */
export const confirmAll = (marks: HighWaterMark.HighWaterMarks, logId: string, ends: Ends) => {
  for (const [stream, mark] of marks) confirm(mark, logId, ends.get(stream) ?? 0, stream)
}

/**
 * Throws if a log with events has no high-water mark: a copy of log.db alone lacks the newest events without any sign of
 * it. A crash cannot remove the mark, because it was synced when it was created; a torn mark is accepted.
 */
export const requireMark = (folder: Folder, ends: Ends) => {
  const end = Math.max(...ends.values())
  if (end === 0 || existsSync(folder.logHighWaterMark)) return
  throw LogTable.corrupt(
    end,
    `${folder.logHighWaterMark} is missing, so it is unknown whether the log has lost events after this offset (a copy of log.db alone lacks them); put log.end and log.db-wal back if you have them, or restore a backup (floe restore) into an empty data folder, or accept the log as it is with: touch '${folder.logHighWaterMark.replaceAll("'", "'\\''")}'`
  )
}

/** Throws if the log is damaged at the end of a stream, or lacks acknowledged events; returns its verified ends. */
export const verify = (folder: Folder): Ends => {
  const log = open(folder)
  try {
    const marks = HighWaterMark.readAll(folder.logHighWaterMark)
    const ends = log.ends()
    confirmAll(marks, log.logId, ends)
    requireMark(folder, ends)
    return ends
  } finally {
    log.close()
  }
}

export interface LogFile extends LogIdentity {
  readonly weather: LogTable.LogTable<WeatherRecord>
  /** A stream's events, weather's included. */
  readonly of: (stream: string) => LogTable.LogTable
  /** The former ids with the ends of a stream. */
  readonly earlierOf: (stream: string) => ReadonlyArray<EarlierId>
  readonly ends: () => Ends
  readonly database: DatabaseSync
  /** Changes with each commit of another connection. */
  readonly version: () => unknown
  readonly isReplaced: () => boolean
  readonly close: () => void
}

export const open = (folder: Folder): LogFile => {
  if (!isThere(folder)) {
    throw missing("open", folder.log)
  }
  // Before the open: afterwards it could be the identity of a newer file.
  const identity = identityOf(folder)
  const { database, isStale } = ReadOnly.open(folder.log, 2_000)
  try {
    const logIdentity = identityIn(database)
    const { chainId } = logIdentity
    const version = database.prepare("PRAGMA data_version")
    const checked = <A extends ReadonlyArray<unknown>, B>(read: (...args: A) => B) => {
      return (...args: A) => {
        const result = read(...args)
        if (isStale()) throw unavailable("read", "a server has just started on it; try again")
        return result
      }
    }
    const checkedTable = <R extends LogRecord>({ row, rows, tail }: LogTable.LogTable<R>): LogTable.LogTable<R> => ({
      tail: checked(tail),
      row: checked(row),
      rows: checked(rows)
    })
    const weather = checkedTable(LogTable.make(database, chainId, weatherRows))
    weather.rows(0, 1)
    const tables = new Map<string, LogTable.LogTable>([[weatherRows.stream, weather]])
    const of = (stream: string) => {
      const known = tables.get(stream)
      if (known !== undefined) return known
      const exists = streamsIn(database).includes(stream)
      const table = checkedTable(tableOf(database, chainId, stream))
      if (exists) tables.set(stream, table)
      return table
    }
    return {
      ...logIdentity,
      database,
      weather,
      of,
      earlierOf: checked((stream) => earlierOf(database, logIdentity, stream)),
      ends: checked(() => endsIn(database, chainId)),
      version: () => version.get()?.data_version,
      isReplaced: () => identityOf(folder) !== identity || isStale(),
      close: () => database.close()
    }
  } catch (cause) {
    database.close()
    throw cause
  }
}
