/** Copies the log consistently while its server appends, with SQLite's online backup. */
import { closeSync, fdatasyncSync, openSync, rmSync } from "node:fs"
import { backup, type DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import type { DataFolder } from "../../../services/DataFolder.ts"
import * as ReadOnly from "../../runtime/ReadOnly.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogFile from "./LogFile.ts"
import { unavailable, whenReading } from "./logFailures.ts"
import { position } from "./logRows.ts"

type Folder = DataFolder["Service"]

/** 4 MiB: a few milliseconds, so that an interruption takes effect soon. */
const pagesPerStep = 1024
/** Steps between two syncs of the copy: unsynced data would delay the server's own syncs. */
const stepsPerSync = 4

const open = (from: Folder) => {
  if (!LogFile.isThere(from)) throw unavailable("copy", `there is no log at ${from.log}`)
  const marks = HighWaterMark.readAll(from.logHighWaterMark)
  const { database, isStale } = ReadOnly.open(from.log, 2_000)
  try {
    // The transaction pins a snapshot of the log; without it, each append would restart the copy.
    database.exec("BEGIN")
    const { chainId, logId } = LogFile.identityIn(database)
    const ends = LogFile.endsIn(database, chainId)
    LogFile.confirmAll(marks, logId, ends)
    LogFile.requireMark(from, ends)
    return { database, isStale, logId, ends }
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
      // An earlier close would release the POSIX locks of SQLite's own handle.
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

/** Copies the log; the files are durable once their folder is synced. `progress` gets the share that is copied. */
export const copyLog = Effect.fn("copyLog")(function* (from: Folder, to: Folder, progress: (share: number) => void) {
  const failed = (cause: unknown) => whenReading("copy", position(0), cause)
  const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: failed })
  const { database, ends, isStale, logId } = yield* Effect.acquireRelease(
    attempt(() => open(from)),
    ({ database }) => Effect.sync(() => database.close())
  )
  yield* Effect.mapError(copyPages(database, to.log, progress), failed)
  yield* attempt(() => {
    if (isStale()) throw unavailable("copy", "a server has just started on it; try again")
    markEnds(to, logId, ends)
  })
  return { logId, ends }
}, Effect.scoped)

/** Verifies the ends of a log without a server and writes its high-water marks. */
export const markEnds = (folder: Folder, logId: string, ends: LogFile.Ends) => {
  const log = LogFile.open(folder)
  try {
    const actual = log.ends()
    for (const [stream, end] of ends) LogFile.confirm({ logId, end }, log.logId, actual.get(stream) ?? 0, stream)
  } finally {
    log.close()
  }
  tidy(folder)
  LogFile.sync(folder.log)
  const mark = HighWaterMark.open(folder.logHighWaterMark, logId)
  try {
    for (const [stream, end] of ends) mark.write(end, stream)
  } finally {
    mark.close()
  }
  LogFile.sync(folder.logHighWaterMark)
}

/** Removes the files that reading leaves beside a log. No process may have the log open, and its WAL must be empty. */
export const tidy = (folder: Folder) => {
  for (const suffix of ["-wal", "-shm"]) rmSync(`${folder.log}${suffix}`, { force: true })
}
