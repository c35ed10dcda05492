/** The log's one writing connection: transactions of whole appends. Nothing here waits; what fails is thrown. */
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

export interface Entry {
  readonly append: Append
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
}

export type Outcome = Effect.Effect<Appended, KeyReused | LogUnavailable | AppendOutcomeUnknown>

export interface LogWriter {
  readonly logId: string
  /** An outcome for each entry, once all are durable. If it throws, none of them is logged. `now` judges the age of keys. */
  readonly write: (group: ReadonlyArray<Entry>, now: number) => ReadonlyArray<Outcome>
  /** Writes as an append does, and leaves nothing of it behind. */
  readonly probe: () => void
  /** Offset that the next event gets; undefined while it is not known, after a failure. */
  readonly end: () => number | undefined
  /** Why the witness is behind the log. */
  readonly witnessFailure: () => unknown
  readonly close: () => void
}

/** The server stands still meanwhile: SQLite waits in the calling thread. */
const busyMillis = 100

const verify = (folder: DataFolder["Service"]) => {
  if (!LogFile.isThere(folder)) LogFile.create(folder)
  // Read-only first: a writing connection that closes would tidy away the WAL, and with it what can still be saved.
  const log = LogFile.open(folder)
  try {
    const witness = HighWaterMark.read(folder.logHighWaterMark)
    const { end } = log.tail()
    LogFile.confirm(witness, log.logId, end)
    LogFile.refuseAlone(folder, end)
  } finally {
    log.close()
  }
}

export const open = (folder: DataFolder["Service"]): LogWriter => {
  verify(folder)
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
  folder: DataFolder["Service"],
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
  const witness = HighWaterMark.open(folder.logHighWaterMark, logId)
  let witnessFailure: unknown

  let wal: string | undefined
  /** What is committed to files without a name is lost when they are closed. */
  const isMoved = () =>
    LogFile.identityOf(folder) !== identity || (wal !== undefined && LogFile.identityOf(folder, "-wal") !== wal)
  const moved = `${folder.log} or its WAL was moved, removed or replaced while the server runs`

  const start = () => {
    if (isMoved()) throw unavailable("append", `${moved}; put it back, or start the server again`)
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
      witness.write(end)
      witnessFailure = undefined
    } catch (cause) {
      witnessFailure = cause
    }
  }

  const repeated = ({ key, digest }: IdempotencyKey, now: number): Outcome | undefined => {
    const offset = receipts.find(key)
    if (offset === undefined) return undefined
    const row = table.row(offset)
    if (row.key !== key || row.records === null) {
      throw LogTable.broken(offset, "a receipt leads here, and the event has another Idempotency-Key")
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
      witness.write(before.end)
      witnessFailure = undefined
    } catch (cause) {
      abandon()
      throw cause
    }
  }

  /** True if the transaction is in the log although its COMMIT failed. */
  const resolveFailedCommit = (planned: LogTable.Tail | undefined) => {
    tail = undefined
    try {
      abandon()
      tail = table.tail()
      if (planned === undefined) return false
      if (tail.end === planned.end && tail.checksum === planned.checksum) return true
      // The WAL may hold the transaction whole but for its fsync: overwritten, it cannot come back after a crash.
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
      // It happened between the look at the beginning and the commit.
      const uncertain = new AppendOutcomeUnknown({
        operation: "append",
        reason: `${moved}, at this moment; see whether it has the event before it is sent again`,
        cause: undefined
      })
      return group.map(() => Effect.fail(uncertain))
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
    witnessFailure: () => witnessFailure,
    close: () => {
      try {
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      } catch {
        // The WAL stays then, and the next start reads it.
      } finally {
        database.close()
        witness.close()
      }
    }
  }
}
