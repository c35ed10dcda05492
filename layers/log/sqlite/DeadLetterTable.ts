/** Rejected events, and the keys of appends that logged no event, in the caller's transaction. */
import type { DatabaseSync } from "node:sqlite"
import type { IdempotencyKey, Rejected } from "../../../services/EventLog.ts"
import { kept } from "./Receipts.ts"

export interface DeadLetterTable {
  /** The highest id that was given, 0 before the first. */
  readonly last: () => number
  readonly add: (stream: string, rejected: ReadonlyArray<Rejected>, acceptedAt: number) => void
  /** Keeps the key of an append without records, and removes expired ones. `now` is used for the age of keys. */
  readonly remember: (stream: string, idempotency: IdempotencyKey, acceptedAt: number, now: number) => void
  /** The digest of the append without records that used the key, while the key is kept. */
  readonly find: (stream: string, key: string, now: number) => string | undefined
}

export const make = (database: DatabaseSync): DeadLetterTable => {
  const last = database.prepare("SELECT max(id) AS id FROM dead_letters")
  const insert = database.prepare("INSERT INTO dead_letters (stream, value, reason, accepted_at) VALUES (?, ?, ?, ?)")
  const addKey = database.prepare(
    "INSERT OR REPLACE INTO empty_receipts (stream, key, digest, accepted_at) VALUES (?, ?, ?, ?)"
  )
  const findKey = database.prepare("SELECT digest FROM empty_receipts WHERE stream = ? AND key = ? AND accepted_at > ?")
  const removeKeys = database.prepare(
    "DELETE FROM empty_receipts WHERE (stream, key) IN (SELECT stream, key FROM empty_receipts WHERE accepted_at <= ? LIMIT 100)"
  )
  return {
    last: () => {
      const id = last.get()?.id
      return typeof id === "number" ? id : 0
    },
    add: (stream, rejected, acceptedAt) => {
      for (const { value, reason } of rejected) insert.run(stream, value, reason, acceptedAt)
    },
    remember: (stream, { key, digest }, acceptedAt, now) => {
      removeKeys.run(now - kept)
      addKey.run(stream, key, digest, acceptedAt)
    },
    find: (stream, key, now) => {
      const digest = findKey.get(stream, key, now - kept)?.digest
      return typeof digest === "string" ? digest : undefined
    }
  }
}
