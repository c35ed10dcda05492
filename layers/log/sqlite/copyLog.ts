/** A consistent copy of the log while its server appends, by SQLite's online backup. */
import { closeSync, fdatasyncSync, openSync, rmSync } from "node:fs"
import { backup, type DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import * as ReadOnly from "../../runtime/ReadOnly.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogFile from "./LogFile.ts"
import * as LogTable from "./LogTable.ts"
import { unavailable, whenReading } from "./logFailures.ts"
import { position } from "./logRows.ts"

type Folder = DataFolder["Service"]

/** 4 MiB: some milliseconds, so that an interruption is heard soon. */
const pagesPerStep = 1024
/** Steps between two syncs of the copy: what has piled up unsynced makes the server's own syncs wait for it. */
const stepsPerSync = 4

const open = (from: Folder) => {
  if (!LogFile.isThere(from)) throw unavailable("copy", `there is no log at ${from.log}`)
  const witness = HighWaterMark.read(from.logHighWaterMark)
  const { database, isStale } = ReadOnly.open(from.log, 2_000)
  try {
    // The transaction pins one state of the log: appends go on beside it, and without it each would begin the copy again.
    database.exec("BEGIN")
    const { chainId, logId } = LogFile.identityIn(database)
    const { end } = LogTable.make(database, chainId).tail()
    LogFile.confirm(witness, logId, end)
    LogFile.refuseAlone(from, end)
    return { database, isStale, logId, end }
  } catch (cause) {
    database.close()
    throw cause
  }
}

const copyPages = (database: DatabaseSync, to: string, progress: (share: number) => void) =>
  Effect.callback<void, unknown>((resume) => {
    let interrupted = false
    let steps = 0
    const file = openSync(to, "a")
    const copied = backup(database, to, {
      rate: pagesPerStep,
      progress: ({ remainingPages, totalPages }) => {
        if (interrupted) throw new Error("interrupted")
        if (++steps % stepsPerSync === 0) fdatasyncSync(file)
        progress(1 - remainingPages / Math.max(1, totalPages))
      }
    })
      // Closed any sooner, it would take the locks of SQLite's own handle with it.
      .finally(() => closeSync(file))
      .then(
        () => resume(Effect.void),
        (cause: unknown) => resume(Effect.fail(cause))
      )
    return Effect.promise(() => {
      interrupted = true
      return copied
    })
  })

/** Durable but for its entries in the folder. */
export const copyLog = Effect.fn("copyLog")(function* (from: Folder, to: Folder, progress: (share: number) => void) {
  const failed = (cause: unknown) => whenReading("copy", position(0), cause)
  const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: failed })
  const { database, end, isStale, logId } = yield* Effect.acquireRelease(
    attempt(() => open(from)),
    ({ database }) => Effect.sync(() => database.close())
  )
  yield* Effect.mapError(copyPages(database, to.log, progress), failed)
  yield* attempt(() => {
    if (isStale()) throw unavailable("copy", "a server has just started on it; try again")
    markEnd(to, logId, end)
  })
  return { logId, end }
}, Effect.scoped)

/** Writes the high-water mark of a log that nobody appends to, once its end is what it should be. */
export const markEnd = (folder: Folder, logId: string, end: number) => {
  const log = LogFile.open(folder)
  try {
    LogFile.confirm({ logId, end }, log.logId, log.tail().end)
  } finally {
    log.close()
  }
  tidy(folder)
  LogFile.sync(folder.log)
  const witness = HighWaterMark.open(folder.logHighWaterMark, logId)
  try {
    witness.write(end)
  } finally {
    witness.close()
  }
  LogFile.sync(folder.logHighWaterMark)
}

/** Removes what reading leaves beside a log that nobody else has open; its WAL must be empty. */
export const tidy = (folder: Folder) => {
  for (const suffix of ["-wal", "-shm"]) rmSync(`${folder.log}${suffix}`, { force: true })
}
