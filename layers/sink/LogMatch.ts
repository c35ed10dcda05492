/** Checks that a table was built from this log. */
import { hash } from "node:crypto"
import { Effect, Option, Stream } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { isSameLog, type LoggedEvent, type LogReader, type LogRecord } from "../../services/EventLog.ts"
import type { Progress } from "../../services/TableWriter.ts"
import { SinkStopped } from "./SinkStopped.ts"

export const partition = 0

/** Includes the time of acceptance, which distinguishes events with the same record. */
export const digestOf = ({ acceptedAt, record }: LoggedEvent<LogRecord>) => {
  const values = typeof record === "string" ? [record] : [record.city, record.temperature, record.ts]
  return hash("sha256", JSON.stringify([acceptedAt, ...values]), "hex").slice(0, 16)
}

const advice = "Restore that log, or move the table away so that the sink builds a new one from this log."

/** Returns the log's id and bounds; fails with SinkStopped if the table was not built from this log up to its progress. */
export const check = Effect.fnUntraced(function* (log: LogReader, table: string, progress: Progress | undefined) {
  const { log: logFile } = yield* DataFolder
  const bounds = yield* log.bounds
  const { start, end } = bounds.partitions.find((_) => _.partition === partition) ?? { start: 0, end: 0 }
  const match = { logId: bounds.logId, start, end }
  if (progress === undefined) return match
  const { lastEvent, logId, offset } = progress
  const mismatch = (reason: string) => new SinkStopped({ reason: `${reason} ${advice}` })
  if (bounds.earlier?.some((one) => one.logId === logId) && !isSameLog(bounds, logId, offset)) {
    return yield* mismatch(
      `The table at ${table} holds events up to offset ${offset} that the log at ${logFile} lost when it was restored from an older backup.`
    )
  }
  if (!isSameLog(bounds, logId, offset)) {
    return yield* mismatch(
      `The table at ${table} was written from another log (id ${logId}) than the one at ${logFile} (id ${bounds.logId}).`
    )
  }
  if (offset > end) {
    return yield* mismatch(
      `The table at ${table} holds the log up to offset ${offset}, but the log at ${logFile} ends at ${end}: it is an older copy, or was cut.`
    )
  }
  if (offset < start) {
    return yield* mismatch(
      `The table at ${table} holds the log up to offset ${offset}, but the log at ${logFile} begins at ${start}.`
    )
  }
  if (lastEvent !== undefined) {
    const before = yield* Stream.runHead(log.read({ partition, offset: offset - 1 }, { until: "end" }))
    if (!Option.exists(before, (event) => digestOf(event) === lastEvent)) {
      return yield* mismatch(
        `The log at ${logFile} has another event at offset ${offset - 1} than the table at ${table}: it was restored from an older copy and has grown since.`
      )
    }
  }
  return match
})
