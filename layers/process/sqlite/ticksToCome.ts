/** Windows that the clock closed while a processor was rebuilt: the rebuilt file has them to come. */
import type { DatabaseSync } from "node:sqlite"
import { Schema } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import * as LogFile from "../../log/sqlite/LogFile.ts"
import { processorFolder } from "../../log/sqlite/processorFolder.ts"
import type { Tick } from "../Store.ts"
import { createTables } from "./schema.ts"
import { ticksOf } from "./stateLines.ts"

const decode = Schema.decodeUnknownSync(Schema.Struct({ next: Schema.Int, at: Schema.Int }))
const busyMillis = 2_000

/** Throws errors of SQLite. The database has the tables of `createTables`. */
export const ticksToCome = (database: DatabaseSync) => {
  const first = database.prepare("SELECT next, at FROM ticks_to_come ORDER BY id LIMIT 1")
  const remove = database.prepare("DELETE FROM ticks_to_come WHERE at <= ?")
  return {
    next: (): Tick | undefined => {
      const row = first.get()
      return row === undefined ? undefined : decode(row)
    },
    /** Those up to a tick that has come. */
    remove: (at: number) => void remove.run(at)
  }
}

/** Gives the rebuilt file of a processor the ticks that the file in use has logged since. No program has either open. */
export const keepTicks = (inUse: DataFolder["Service"], rebuilt: DataFolder["Service"], name: string) => {
  const missed = ticksOf(inUse, name).slice(ticksOf(rebuilt, name).length)
  if (missed.length === 0) return
  const database = LogFile.openToWrite(processorFolder(rebuilt, name).log, busyMillis)
  try {
    createTables(database)
    database.exec("BEGIN IMMEDIATE; DELETE FROM ticks_to_come")
    const insert = database.prepare("INSERT INTO ticks_to_come (next, at) VALUES (?, ?)")
    for (const { at, next } of missed) insert.run(next, at)
    // Only the database itself is put in place.
    database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
  } finally {
    database.close()
  }
}
