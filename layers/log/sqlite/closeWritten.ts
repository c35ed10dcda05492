import type { DatabaseSync } from "node:sqlite"
import type { HighWaterMarkWriter } from "./HighWaterMark.ts"

/** Closes a log that was written, with everything in the database itself if that works. */
export const closeWritten = (database: DatabaseSync, mark: HighWaterMarkWriter) => {
  try {
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
  } catch {
    // The WAL stays, and the next start reads it.
  } finally {
    database.close()
    mark.close()
  }
}
