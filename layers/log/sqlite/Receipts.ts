/** The offset of each Idempotency-Key while it is kept. The row in the log is authoritative. */
import type { DatabaseSync } from "node:sqlite"

/** How long a key is kept, in milliseconds. */
export const kept = 24 * 60 * 60 * 1_000

/** Expired keys that a transaction removes, in addition to as many as it adds. */
const pruneBatch = 100
const pauseMillis = 1_000

export interface Receipts {
  readonly find: (key: string) => number | undefined
  readonly add: (key: string, offset: number, acceptedAt: number) => void
  /** Removes a bounded number of expired keys; when none is left, it waits a second before the next search. */
  readonly prune: (added: number, now: number) => void
}

/** `table` is quoted for SQL. */
export const make = (database: DatabaseSync, table = "receipts"): Receipts => {
  const select = database.prepare(`SELECT "offset" FROM ${table} WHERE key = ?`)
  const insert = database.prepare(`INSERT OR REPLACE INTO ${table} (key, "offset", accepted_at) VALUES (?, ?, ?)`)
  const remove = database.prepare(
    `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE accepted_at <= ? ORDER BY accepted_at LIMIT ?)`
  )
  let again = Number.NEGATIVE_INFINITY
  return {
    find: (key) => {
      const offset = select.get(key)?.offset
      return typeof offset === "number" ? offset : undefined
    },
    add: (key, offset, acceptedAt) => {
      insert.run(key, offset, acceptedAt)
    },
    prune: (added, now) => {
      // A later `again` dates from before a step back of the clock.
      if (now < again && again - now <= pauseMillis) return
      const limit = pruneBatch + added
      again = Number(remove.run(now - kept, limit).changes) < limit ? now + pauseMillis : now
    }
  }
}
