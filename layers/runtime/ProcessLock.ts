/** A lock that the operating system releases when its holder dies: an exclusive SQLite transaction, as Node has no flock. */
import { existsSync, rmSync, statfsSync } from "node:fs"
import { dirname } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect, Schema } from "effect"
import { reasonOf } from "./sqliteReason.ts"

export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", {
  path: Schema.String,
  /** The kind of program that holds it, for example "logging server". */
  holder: Schema.String
}) {
  override get message() {
    return `Another ${this.holder} is running on this data (it holds ${this.path}). Stop it first, or set FLOE_DATA to another folder.`
  }
}

/** On a full disk SQLite only reports that it cannot open the file. */
const fullDisk = (folder: string) => {
  try {
    const { bavail, blocks } = statfsSync(folder)
    return blocks > 0 && bavail === 0 ? `the disk of ${folder} is full; free at least 64 MiB` : undefined
  } catch {
    return undefined
  }
}

export class LockUnusable extends Schema.TaggedError<LockUnusable>()("LockUnusable", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The lock ${this.path} cannot be used: ${fullDisk(dirname(this.path)) ?? reasonOf(this.cause)}.`
  }
}

const isBusy = (cause: unknown) =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" && (cause.errcode & 0xff) === 5

/** How long `acquire` waits for a process that is only checking the lock. */
const lookMillis = 50

/** Locks the file, creating it if needed; closing the database releases the lock. */
export const lock = (path: string, waitMillis = lookMillis) => {
  const database = new DatabaseSync(path, { timeout: waitMillis })
  try {
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    return database
  } catch (cause) {
    database.close()
    throw cause
  }
}

/** Holds the lock until the scope closes; fails if another process has it. */
export const acquire = (path: string, holder: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => lock(path),
      catch: (cause) => (isBusy(cause) ? new LockHeld({ path, holder }) : new LockUnusable({ path, cause }))
    }),
    (database) => Effect.sync(() => database.close())
  )

/** Runs `run` while no process can lock the file; returns false without running it if the file is locked. */
const unlessLocked = (path: string, run: () => void) => {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    database.exec("BEGIN; SELECT count(*) FROM sqlite_schema")
    run()
    return true
  } catch (cause) {
    if (isBusy(cause)) return false
    throw cause
  } finally {
    database.close()
  }
}

/** Whether a process holds the lock now. */
export const isHeld = (path: string) =>
  Effect.try({
    try: () => existsSync(path) && !unlessLocked(path, () => {}),
    catch: (cause) => new LockUnusable({ path, cause })
  })

/** Removes the file unless it is locked or its lock cannot be checked; returns whether it is gone. */
export const removeUnlessLocked = (path: string) => {
  try {
    return !existsSync(path) || unlessLocked(path, () => rmSync(path, { force: true }))
  } catch {
    return !existsSync(path)
  }
}
