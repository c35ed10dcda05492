/** Turns errors of SQLite and the file system into the log's typed errors. */
import { DiskFull, LogCorrupt, LogMissing, LogUnavailable, type Position } from "../../../services/EventLog.ts"
import { isDiskFull, messageOf, passing } from "../../runtime/sqliteReason.ts"

export const unavailable = (operation: string, reason: string, cause?: unknown) =>
  isDiskFull(cause)
    ? new LogUnavailable({ operation, reason: new DiskFull(), cause })
    : LogUnavailable.because(operation, reason, cause)

export const missing = (operation: string, path: string) =>
  new LogUnavailable({ operation, reason: new LogMissing({ path }), cause: undefined })

export const whenWriting = (operation: string, cause: unknown) => {
  if (cause instanceof LogUnavailable) return cause
  const reason =
    cause instanceof LogCorrupt
      ? `it is corrupt at offset ${cause.position.offset} (${cause.reason}); stop the server and restore the log`
      : (passing(cause) ?? `its file is damaged (${messageOf(cause)}); stop the server and restore the log`)
  return unavailable(operation, reason, cause)
}

/** Damage becomes LogCorrupt at the current read position. */
export const whenReading = (operation: string, at: Position, cause: unknown, stream = "weather") => {
  if (cause instanceof LogUnavailable || cause instanceof LogCorrupt) return cause
  const passingReason = passing(cause)
  if (passingReason !== undefined) return unavailable(operation, passingReason, cause)
  const reason = `its file cannot be read from here on (${messageOf(cause)})`
  return new LogCorrupt({ position: at, reason, ...(stream === "weather" ? {} : { stream }) })
}

export const isDamage = (cause: unknown) => !(cause instanceof LogUnavailable) && passing(cause) === undefined
