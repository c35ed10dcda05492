/** Which Idempotency-Key was logged where, for the time that keys are kept. The log's row at that place is the proof. */
import type { DatabaseSync } from "node:sqlite"

/** Milliseconds for which a repeated key is recognised. */
export const kept = 24 * 60 * 60 * 1_000

/** Old keys removed in one transaction, beside as many as it adds. */
const piece = 100
const pauseMillis = 1_000

export interface Receipts {
  readonly find: (key: string) => number | undefined
  readonly add: (key: string, offset: number, acceptedAt: number) => void
  /** Removes a bounded number of old keys; once none is left it looks again after a second. */
  readonly prune: (added: number, now: number) => void
}

export const make = (database: DatabaseSync): Receipts => {
  const select = database.prepare(`SELECT "offset" FROM receipts WHERE key = ?`)
  const insert = database.prepare(`INSERT OR REPLACE INTO receipts (key, "offset", accepted_at) VALUES (?, ?, ?)`)
  const remove = database.prepare(
    "DELETE FROM receipts WHERE key IN (SELECT key FROM receipts WHERE accepted_at <= ? ORDER BY accepted_at LIMIT ?)"
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
      // Beyond the pause it was set before the clock went back.
      if (now < again && again - now <= pauseMillis) return
      const limit = piece + added
      again = Number(remove.run(now - kept, limit).changes) < limit ? now + pauseMillis : now
    }
  }
}
