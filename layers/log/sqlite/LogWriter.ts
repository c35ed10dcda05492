/** The log's single write connection. All calls are synchronous and throw their errors. */
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import {
  type Append,
  type Appended,
  AppendOutcomeUnknown,
  type IdempotencyKey,
  KeyReused,
  LogCorrupt,
  type LogUnavailable
} from "../../../services/EventLog.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogFile from "./LogFile.ts"
import * as LogTable from "./LogTable.ts"
import { unavailable, whenWriting } from "./logFailures.ts"
import { checksumOf, columns, position } from "./logRows.ts"
import * as Receipts from "./Receipts.ts"

type Folder = DataFolder["Service"]

export interface Entry {
  readonly append: Append
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
}

export type Outcome = Effect.Effect<Appended, KeyReused | LogUnavailable | AppendOutcomeUnknown>

export interface LogWriter {
  readonly logId: string
  /** Logs all entries durably; returns an outcome for each. If it throws, nothing is logged. `now` is used for the age of keys. */
  readonly write: (group: ReadonlyArray<Entry>, now: number) => ReadonlyArray<Outcome>
  /** Writes like an append, but leaves no event. */
  readonly probe: () => void
  /** Offset of the next event; undefined while it is unknown after a failure. */
  readonly end: () => number | undefined
  /** Why the high-water mark is behind the log. */
  readonly markFailure: () => unknown
  readonly close: () => void
}

/** The server is blocked meanwhile: SQLite waits in the calling thread. */
const busyMillis = 100

const verify = (folder: Folder, newLogId: string) => {
  if (!LogFile.isThere(folder)) LogFile.create(folder, newLogId)
  // Read-only: closing a write connection would delete the WAL, which may have recoverable events.
  const log = LogFile.open(folder)
  try {
    const mark = HighWaterMark.read(folder.logHighWaterMark)
    const { end } = log.tail()
    LogFile.confirm(mark, log.logId, end)
    LogFile.requireMark(folder, end)
  } finally {
    log.close()
  }
}

/** Opens the log; creates it with the id `newLogId` if there is none. */
export const open = (folder: Folder, newLogId: string): LogWriter => {
  verify(folder, newLogId)
  const identity = LogFile.identityOf(folder)
  const database = new DatabaseSync(folder.log, { timeout: busyMillis })
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
    return make(folder, identity, database, LogFile.identityIn(database))
  } catch (cause) {
    database.close()
    throw cause
  }
}

const make = (
  folder: Folder,
  identity: string | undefined,
  database: DatabaseSync,
  { chainId, logId }: LogFile.LogIdentity
): LogWriter => {
  const table = LogTable.make(database, chainId)
  const receipts = Receipts.make(database)
  const begin = database.prepare("BEGIN IMMEDIATE")
  const commit = database.prepare("COMMIT")
  const insert = database.prepare(`INSERT INTO log (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const touch = database.prepare("UPDATE meta SET probes = probes + 1")

  let tail: LogTable.Tail | undefined = table.tail()
  const mark = HighWaterMark.open(folder.logHighWaterMark, logId)
  let markFailure: unknown

  let wal: string | undefined
  /** Commits to unlinked files are lost when the files are closed. */
  const isMoved = () =>
    LogFile.identityOf(folder) !== identity || (wal !== undefined && LogFile.identityOf(folder, "-wal") !== wal)
  const moved = `${folder.log} or its WAL was moved, removed or replaced while the server is running`

  const start = () => {
    if (isMoved()) throw unavailable("append", `${moved}; put it back, or restart the server`)
    tail ??= table.tail()
    begin.run()
    wal ??= LogFile.identityOf(folder, "-wal")
    return tail
  }

  const abandon = () => {
    if (database.isTransaction) database.exec("ROLLBACK")
  }

  const record = (end: number) => {
    try {
      mark.write(end)
      markFailure = undefined
    } catch (cause) {
      markFailure = cause
    }
  }

  const repeated = ({ key, digest }: IdempotencyKey, now: number): Outcome | undefined => {
    const offset = receipts.find(key)
    if (offset === undefined) return undefined
    const row = table.row(offset)
    if (row.key !== key || row.records === null) {
      throw LogTable.corrupt(offset, "a receipt points here, but the event has another Idempotency-Key")
    }
    if (now - row.acceptedAt >= Receipts.kept) return undefined
    if (row.digest !== digest) return Effect.fail(new KeyReused())
    return Effect.succeed({
      positions: [{ ...position(offset), count: row.records }],
      ts: row.record.ts,
      repeated: true
    })
  }

  const known = (idempotency: IdempotencyKey, now: number) => {
    try {
      return repeated(idempotency, now)
    } catch (cause) {
      if (cause instanceof LogCorrupt) return Effect.fail(whenWriting("append", cause))
      throw cause
    }
  }

  const insertAll = (from: LogTable.Tail, { append, acceptedAt }: Entry): LogTable.Tail => {
    let { end, checksum } = from
    for (const record of append.records) {
      const first = end === from.end ? append.idempotency : undefined
      const [key, digest, records] = first ? [first.key, first.digest, append.records.length] : [null, null, null]
      checksum = checksumOf({ offset: end, record, acceptedAt, key, digest, records }, checksum)
      insert.run(end, record.city, record.temperature, record.ts, acceptedAt, key, digest, records, checksum)
      end++
    }
    return { end, checksum }
  }

  const probe = () => {
    try {
      const before = start()
      database.exec("SAVEPOINT probe")
      insertAll(before, { append: { records: [{ city: "", temperature: "", ts: "" }] }, acceptedAt: 0 })
      receipts.add("", before.end, 0)
      database.exec("ROLLBACK TO probe")
      touch.run()
      commit.run()
      mark.write(before.end)
      markFailure = undefined
    } catch (cause) {
      abandon()
      throw cause
    }
  }

  const resolveFailedCommit = (planned: LogTable.Tail | undefined) => {
    tail = undefined
    try {
      abandon()
      tail = table.tail()
      if (planned === undefined) return false
      if (tail.end === planned.end && tail.checksum === planned.checksum) return true
      // The WAL may have the complete transaction without its fsync; overwriting it keeps it from coming back after a crash.
      probe()
    } catch {}
    return false
  }

  const write = (group: ReadonlyArray<Entry>, now: number): ReadonlyArray<Outcome> => {
    const outcomes: Array<Outcome> = []
    let planned: LogTable.Tail | undefined
    try {
      let next = start()
      let keys = 0
      for (const entry of group) {
        const { records, idempotency } = entry.append
        const answer = idempotency && known(idempotency, now)
        if (answer !== undefined) {
          outcomes.push(answer)
          continue
        }
        if (idempotency !== undefined) {
          receipts.add(idempotency.key, next.end, entry.acceptedAt)
          keys++
        }
        const positions = [{ ...position(next.end), count: records.length }]
        outcomes.push(Effect.succeed({ positions, ts: records[0]?.ts ?? "", repeated: false }))
        next = insertAll(next, entry)
      }
      receipts.prune(keys, now)
      planned = next
      commit.run()
      tail = next
    } catch (cause) {
      if (!resolveFailedCommit(planned)) throw cause
    }
    if (planned !== undefined && isMoved()) {
      // The file was moved between the check in `start` and the commit.
      const unknown = new AppendOutcomeUnknown({
        operation: "append",
        reason: `${moved}, during the append; check whether it has the event before you send it again`,
        cause: undefined
      })
      return group.map(() => Effect.fail(unknown))
    }
    if (planned !== undefined) record(planned.end)
    return outcomes
  }

  record(tail.end)
  return {
    logId,
    write,
    probe,
    end: () => tail?.end,
    markFailure: () => markFailure,
    close: () => {
      try {
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      } catch {
        // The WAL stays, and the next start reads it.
      } finally {
        database.close()
        mark.close()
      }
    }
  }
}
