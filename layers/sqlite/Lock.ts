/** A lock that the operating system frees when its holder dies: an exclusive transaction on a small database (Node has no flock). */
import { existsSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Effect, Schema } from "effect"

export class LockHeld extends Schema.TaggedError<LockHeld>()("LockHeld", {
  path: Schema.String,
  /** Who may hold it only once, such as "logging server". */
  holder: Schema.String
}) {
  override get message() {
    return `Another ${this.holder} is running on this data (it holds ${this.path}). Stop it first, or set FLOE_DATA to another folder.`
  }
}

class LockUnusable extends Schema.TaggedError<LockUnusable>()("LockUnusable", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The lock ${this.path} cannot be used; check the folder's owner and permissions.`
  }
}

const isBusy = (cause: unknown) =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" && (cause.errcode & 0xff) === 5

/** How long the holder waits for somebody who is only looking. */
const lookMillis = 50

/** Holds the lock until the scope closes; fails if another process has it. */
export const acquire = (path: string, holder: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const database = new DatabaseSync(path, { timeout: lookMillis })
        try {
          database.exec("PRAGMA locking_mode = NORMAL; BEGIN EXCLUSIVE")
          return database
        } catch (cause) {
          database.close()
          throw cause
        }
      },
      catch: (cause) => (isBusy(cause) ? new LockHeld({ path, holder }) : new LockUnusable({ path, cause }))
    }),
    (database) => Effect.sync(() => database.close())
  )

/** Whether a process holds the lock at this moment. */
export const isHeld = (path: string) =>
  Effect.try({
    try: () => {
      if (!existsSync(path)) return false
      const database = new DatabaseSync(path, { readOnly: true })
      try {
        database.exec("SELECT count(*) FROM sqlite_schema")
        return false
      } catch (cause) {
        if (isBusy(cause)) return true
        throw cause
      } finally {
        database.close()
      }
    },
    catch: (cause) => new LockUnusable({ path, cause })
  })
