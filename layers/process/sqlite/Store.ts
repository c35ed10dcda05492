/**
 * A processor's file: the log of its output and late streams, its dead letters, its state and its progress, which one
 * transaction changes together. All calls are synchronous and throw their errors.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { Option } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { closeWritten } from "../../log/sqlite/closeWritten.ts"
import * as HighWaterMark from "../../log/sqlite/HighWaterMark.ts"
import * as LogFile from "../../log/sqlite/LogFile.ts"
import * as LogTable from "../../log/sqlite/LogTable.ts"
import { type LogRows, rowsOf } from "../../log/sqlite/logRows.ts"
import { processorFolder } from "../../log/sqlite/processorFolder.ts"
import { createStream } from "../../log/sqlite/schema.ts"
import { requireSame } from "../definitionChange.ts"
import { ProcessorStopped } from "../Runner.ts"
import type { Progress, Store, Tick } from "../Store.ts"
import { encodeDefinition, progressIn } from "./progressRow.ts"
import { createTables } from "./schema.ts"
import { statesIn } from "./states.ts"
import { ticksToCome } from "./ticksToCome.ts"

export interface SqliteStore extends Store {
  /** The next tick that the file in use before a rebuild had, and this one has not. */
  readonly tickToCome: () => Tick | undefined
  readonly close: () => void
}

export interface StoreOptions {
  readonly folder: DataFolder["Service"]
  /** Of the log that the processor reads from. */
  readonly logId: string
  readonly definition: ProcessorDefinition
  readonly output: AppliedStream
  /** The stream of late events, if the processor has windows. */
  readonly late: AppliedStream | undefined
}

const busyMillis = 2_000

/** Appends to one stream, in the caller's transaction. */
const appender = (database: DatabaseSync, chainId: string, { definition, version }: AppliedStream) => {
  const stream = definition.name
  createStream(database, stream)
  const rows: LogRows<string> = rowsOf(stream)
  // What every event has: those of processors have no Idempotency-Key.
  const insert: StatementSync = database.prepare(
    `INSERT INTO ${rows.table} ("offset", value, schema_version, accepted_at, checksum) VALUES (?, ?, ?, ?, ?)`
  )
  let tail = LogTable.make(database, chainId, rows).tail()
  return {
    stream,
    end: () => tail.end,
    append: (record: string, acceptedAt: number) => {
      const row = {
        offset: tail.end,
        record,
        schemaVersion: version,
        acceptedAt,
        key: null,
        digest: null,
        records: null
      }
      const checksum = rows.checksum(row, tail.checksum)
      insert.run(row.offset, record, version, acceptedAt, checksum)
      tail = { end: row.offset + 1, checksum }
    }
  }
}

/** Undefined before the first start. */
const readProgress = (database: DatabaseSync, path: string) => {
  const progress = progressIn(database)
  if (progress === undefined) return undefined
  if (Option.isSome(progress)) return progress.value
  throw new ProcessorStopped(
    `The progress in ${path} cannot be read: the file is damaged, or a newer version of Floe has written it. Run that version, or floe processor rebuild to compute it from the log again.`
  )
}

/** Opens the file of a processor, and creates it if there is none. Throws ProcessorStopped if its state does not fit. */
export const open = (options: StoreOptions): SqliteStore => {
  const folder = processorFolder(options.folder, options.definition.name)
  if (!LogFile.isThere(folder)) LogFile.create(folder, options.logId)
  LogFile.verify(folder)
  const database = LogFile.openToWrite(folder.log, busyMillis)
  try {
    return make(options, folder, database)
  } catch (cause) {
    database.close()
    throw cause
  }
}

const make = (
  { definition, late, logId, output }: StoreOptions,
  folder: DataFolder["Service"],
  database: DatabaseSync
): SqliteStore => {
  const identity = LogFile.identityIn(database)
  const { name } = definition
  if (identity.logId !== logId) {
    throw new ProcessorStopped(
      `The processor ${name} cannot start: ${folder.log} was made from the log ${identity.logId}, and this is the log ${logId}. Put the file that belongs to this log in its place, or move it away to process the log from its start.`
    )
  }
  createTables(database)
  const known = readProgress(database, folder.log)
  if (known !== undefined) requireSame(known.definition, definition)
  const toOutput = appender(database, identity.chainId, output)
  const toLate = late === undefined ? undefined : appender(database, identity.chainId, late)
  const mark = HighWaterMark.open(folder.logHighWaterMark, logId)

  const insertDead = database.prepare(
    "INSERT INTO dead_letters (stream, value, reason, accepted_at) VALUES (?, ?, ?, ?)"
  )
  const putProgress = database.prepare(
    "INSERT OR REPLACE INTO progress (id, next, watermark, definition) VALUES (0, ?, ?, ?)"
  )
  const insertTick = database.prepare("INSERT INTO ticks (next, at) VALUES (?, ?)")
  const toCome = ticksToCome(database)
  const begin = database.prepare("BEGIN IMMEDIATE")
  const commit = database.prepare("COMMIT")
  const text = encodeDefinition(definition)
  let progress: Progress =
    known === undefined
      ? { next: 0, watermark: Number.NEGATIVE_INFINITY }
      : { next: known.next, watermark: known.watermark ?? Number.NEGATIVE_INFINITY }

  // From now on its definition can be read.
  if (known === undefined) putProgress.run(0, null, text)

  const record = () => {
    mark.write(toOutput.end(), toOutput.stream)
    if (toLate !== undefined) mark.write(toLate.end(), toLate.stream)
  }
  record()

  return {
    ...statesIn(database),
    progress: () => progress,
    begin: () => void begin.run(),
    row: toOutput.append,
    late: (record, acceptedAt) => toLate?.append(record, acceptedAt),
    dead: (value, reason, acceptedAt) => void insertDead.run(name, value, reason, acceptedAt),
    tick: ({ at, next }) => {
      insertTick.run(next, at)
      toCome.remove(at)
    },
    tickToCome: toCome.next,
    commit: (next) => {
      putProgress.run(next.next, Number.isFinite(next.watermark) ? next.watermark : null, text)
      commit.run()
      progress = next
      record()
    },
    close: () => {
      if (database.isTransaction) database.exec("ROLLBACK")
      closeWritten(database, mark)
    }
  }
}
