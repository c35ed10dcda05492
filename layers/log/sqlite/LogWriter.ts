/** The log's single write connection. All calls are synchronous and throw their errors. */
import type { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import { type Append, AppendOutcomeUnknown, type LogRecord } from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { answerTo, type Outcome } from "./answerTo.ts"
import { closeWritten } from "./closeWritten.ts"
import * as DeadLetterTable from "./DeadLetterTable.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogFile from "./LogFile.ts"
import type * as LogTable from "./LogTable.ts"
import { unavailable } from "./logFailures.ts"
import { position, rowsOf, weatherRows } from "./logRows.ts"
import * as StreamWriter from "./StreamWriter.ts"
import { createStream, receiptsTable, streamsIn } from "./schema.ts"

type Folder = DataFolder["Service"]

export interface Entry {
  readonly append: Append
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
}

export interface LogWriter {
  readonly logId: string
  /** Logs all entries durably; returns an outcome for each. If it throws, nothing is logged. `now` is used for the age of keys. */
  readonly write: (group: ReadonlyArray<Entry>, now: number) => ReadonlyArray<Outcome>
  /** Writes like an append, but leaves no event. */
  readonly probe: () => void
  /** Offset of the stream's next event; undefined while it is unknown after a failure. */
  readonly end: (stream: string) => number | undefined
  /** Why the high-water mark is behind the log. */
  readonly markFailure: () => unknown
  readonly close: () => void
}

/** The server is blocked meanwhile: SQLite waits in the calling thread. */
const busyMillis = 100

const weather = weatherRows.stream

const verify = (folder: Folder, newLogId: string) => {
  if (!LogFile.isThere(folder)) LogFile.create(folder, newLogId)
  // Read-only: closing a write connection would delete the WAL, which may have recoverable events.
  LogFile.verify(folder)
}

/** Opens the log; creates it with the id `newLogId` if there is none. */
export const open = (folder: Folder, newLogId: string): LogWriter => {
  verify(folder, newLogId)
  const identity = LogFile.identityOf(folder)
  const database = LogFile.openToWrite(folder.log, busyMillis)
  try {
    return make(folder, identity, database, LogFile.identityIn(database))
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** The ends of a transaction: of each stream that it touches, and of the dead letters. */
interface Planned {
  readonly tails: ReadonlyMap<string, LogTable.Tail>
  readonly deadLetters: number
}

const make = (
  folder: Folder,
  identity: string | undefined,
  database: DatabaseSync,
  { chainId, logId }: LogFile.LogIdentity
): LogWriter => {
  const weatherWriter = StreamWriter.make(database, chainId, weatherRows, "receipts")
  const writers = new Map<string, StreamWriter.StreamWriter<string>>()
  const deadLetters = DeadLetterTable.make(database)
  const begin = database.prepare("BEGIN IMMEDIATE")
  const commit = database.prepare("COMMIT")
  const touch = database.prepare("UPDATE meta SET probes = probes + 1")

  /** Unknown after a failure: absent, and read again when it is needed. */
  const tails = new Map<string, LogTable.Tail>()
  const mark = HighWaterMark.open(folder.logHighWaterMark, logId)
  let markFailure: unknown

  let wal: string | undefined
  /** Commits to unlinked files are lost when the files are closed. */
  const isMoved = () =>
    LogFile.identityOf(folder) !== identity || (wal !== undefined && LogFile.identityOf(folder, "-wal") !== wal)
  const moved = `${folder.log} or its WAL was moved, removed or replaced while the server is running`

  const ofStream = (stream: string) => {
    const writer = writers.get(stream)
    if (writer === undefined) throw new Error(`the stream ${stream} was not opened`)
    return writer
  }
  const openStream = (stream: string) => {
    if (writers.has(stream)) return
    createStream(database, stream)
    writers.set(stream, StreamWriter.make(database, chainId, rowsOf(stream), receiptsTable(stream)))
  }

  const tailOf = (stream: string) => {
    const known = tails.get(stream)
    if (known !== undefined) return known
    const tail = stream === weather ? weatherWriter.tail() : ofStream(stream).tail()
    tails.set(stream, tail)
    return tail
  }

  const start = (streams: ReadonlySet<string>) => {
    if (isMoved()) throw unavailable("append", `${moved}; put it back, or restart the server`)
    for (const stream of streams) {
      if (stream !== weather) openStream(stream)
      tailOf(stream)
    }
    begin.run()
    wal ??= LogFile.identityOf(folder, "-wal")
  }

  const abandon = () => {
    if (database.isTransaction) database.exec("ROLLBACK")
  }

  const record = (ends: Iterable<readonly [string, LogTable.Tail]>) => {
    try {
      for (const [stream, { end }] of ends) mark.write(end, stream)
      markFailure = undefined
    } catch (cause) {
      markFailure = cause
    }
  }

  const probe = () => {
    try {
      start(new Set([weather]))
      const before = tailOf(weather)
      database.exec("SAVEPOINT probe")
      weatherWriter.insertBlank(before)
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

  const isAsPlanned = ({ tails: planned, deadLetters: lastLetter }: Planned) => {
    for (const [stream, { end, checksum }] of planned) {
      const tail = tailOf(stream)
      if (tail.end !== end || tail.checksum !== checksum) return false
    }
    return deadLetters.last() === lastLetter
  }

  const resolveFailedCommit = (planned: Planned | undefined) => {
    tails.clear()
    try {
      abandon()
      if (planned === undefined) return false
      if (isAsPlanned(planned)) return true
      // The WAL may have the complete transaction without its fsync; overwriting it keeps it from coming back after a crash.
      probe()
    } catch {}
    return false
  }

  const insertOne = <R extends LogRecord>(
    writer: StreamWriter.StreamWriter<R>,
    stream: string,
    records: ReadonlyArray<R>,
    schemaVersion: number,
    { append: { idempotency, rejected = [] }, acceptedAt }: Entry,
    now: number
  ): Outcome => {
    const answer = idempotency && answerTo(idempotency, { find: writer.find, deadLetters, stream }, now)
    if (answer !== undefined) return answer
    if (rejected.length > 0) deadLetters.add(stream, rejected, acceptedAt)
    if (records.length === 0) {
      if (idempotency !== undefined) deadLetters.remember(stream, idempotency, acceptedAt, now)
      return Effect.succeed({ positions: [], repeated: false })
    }
    const from = tailOf(stream)
    tails.set(stream, writer.insert(from, { records, schemaVersion, idempotency, acceptedAt }))
    const [first] = records
    return Effect.succeed({
      positions: [{ ...position(from.end), count: records.length }],
      ts: typeof first === "object" ? first.ts : undefined,
      repeated: false
    })
  }

  const insert = (entry: Entry, now: number) =>
    entry.append.stream === undefined
      ? insertOne<WeatherRecord>(weatherWriter, weather, entry.append.records, 1, entry, now)
      : insertOne<string>(
          ofStream(entry.append.stream),
          entry.append.stream,
          entry.append.records,
          entry.append.schemaVersion,
          entry,
          now
        )

  const prune = (group: ReadonlyArray<Entry>, now: number) => {
    const keys = new Map<string, number>()
    for (const { append } of group) {
      const stream = append.stream ?? weather
      keys.set(stream, (keys.get(stream) ?? 0) + (append.idempotency === undefined ? 0 : 1))
    }
    for (const [stream, added] of keys) (stream === weather ? weatherWriter : ofStream(stream)).prune(added, now)
  }

  const write = (group: ReadonlyArray<Entry>, now: number): ReadonlyArray<Outcome> => {
    const outcomes: Array<Outcome> = []
    const streams = new Set(group.map(({ append }) => append.stream ?? weather))
    let planned: Planned | undefined
    try {
      start(streams)
      for (const entry of group) outcomes.push(insert(entry, now))
      prune(group, now)
      planned = {
        tails: new Map([...streams].map((stream) => [stream, tailOf(stream)])),
        deadLetters: deadLetters.last()
      }
      commit.run()
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
    if (planned !== undefined) record(planned.tails)
    return outcomes
  }

  for (const stream of streamsIn(database)) if (stream !== weather) openStream(stream)
  record([weather, ...writers.keys()].map((stream) => [stream, tailOf(stream)] as const))
  return {
    logId,
    write,
    probe,
    end: (stream) => tails.get(stream)?.end,
    markFailure: () => markFailure,
    close: () => closeWritten(database, mark)
  }
}
