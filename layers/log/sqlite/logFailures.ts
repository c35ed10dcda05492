/** What SQLite and the file system throw, as the log's typed errors. */
import { LogBroken, LogUnavailable, type Position } from "../../../services/EventLog.ts"
import { messageOf, passing } from "../../runtime/sqliteReason.ts"

export const unavailable = (operation: string, reason: string, cause?: unknown) =>
  new LogUnavailable({ operation, reason, cause })

export const whenWriting = (operation: string, cause: unknown) => {
  if (cause instanceof LogUnavailable) return cause
  const reason =
    cause instanceof LogBroken
      ? `it is broken at offset ${cause.position.offset} (${cause.reason}); stop the server and restore the log`
      : (passing(cause) ?? `its file is damaged (${messageOf(cause)}); stop the server and restore the log`)
  return unavailable(operation, reason, cause)
}

/** Damage becomes LogBroken at the position where reading stood. */
export const whenReading = (operation: string, at: Position, cause: unknown) => {
  if (cause instanceof LogUnavailable || cause instanceof LogBroken) return cause
  const reason = passing(cause)
  return reason === undefined
    ? new LogBroken({ position: at, reason: `its file cannot be read from here on (${messageOf(cause)})` })
    : unavailable(operation, reason, cause)
}

export const isDamage = (cause: unknown) => !(cause instanceof LogUnavailable) && passing(cause) === undefined
