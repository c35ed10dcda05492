/** Whether a log is the one that a table was made from. */
import { hash } from "node:crypto"
import { Effect, Option, Stream } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import { type EventLogReader, isSameLog, type LoggedEvent } from "../../services/EventLog.ts"
import { SinkStopped } from "../../services/Sink.ts"
import type { Progress } from "../../services/Table.ts"

export const partition = 0

/** When it was accepted tells events with the same record apart. */
export const digestOf = ({ acceptedAt, record: { city, temperature, ts } }: LoggedEvent) =>
  hash("sha256", JSON.stringify([acceptedAt, city, temperature, ts]), "hex").slice(0, 16)

const choice = "Put that log back, or move the table away and a new one is made from this log"

/** Fails with what is wrong if the table was not made from this log up to its progress; the answer is the log's bounds. */
export const make = (log: EventLogReader["Service"], folder: DataFolder["Service"]) =>
  Effect.fnUntraced(function* (table: string, progress: Progress | undefined) {
    const bounds = yield* log.bounds
    const { start, end } = bounds.partitions.find((_) => _.partition === partition) ?? { start: 0, end: 0 }
    if (progress === undefined) return { logId: bounds.logId, start, end }
    const { lastEvent, logId, offset } = progress
    if (bounds.earlier?.some((one) => one.logId === logId) && !isSameLog(bounds, logId, offset)) {
      return yield* new SinkStopped({
        reason: `The table at ${table} holds events up to offset ${offset} that the log at ${folder.log} lost when it was restored from an older backup. ${choice}.`
      })
    }
    if (!isSameLog(bounds, logId, offset)) {
      return yield* new SinkStopped({
        reason: `The table at ${table} was written from another log (id ${logId}) than the one at ${folder.log} (id ${bounds.logId}). ${choice}.`
      })
    }
    if (offset > end) {
      return yield* new SinkStopped({
        reason: `The table at ${table} holds the log up to offset ${offset}, but the log at ${folder.log} ends at ${end}: it is an older copy, or was cut. ${choice}.`
      })
    }
    if (offset < start) {
      return yield* new SinkStopped({
        reason: `The table at ${table} holds the log up to offset ${offset}, but the log at ${folder.log} begins at ${start}. ${choice}.`
      })
    }
    if (lastEvent !== undefined) {
      const before = yield* Stream.runHead(log.read({ partition, offset: offset - 1 }, { until: "end" }))
      if (!Option.exists(before, (event) => digestOf(event) === lastEvent)) {
        return yield* new SinkStopped({
          reason: `The log at ${folder.log} has another event at offset ${offset - 1} than the one that is in the table at ${table}: it was put back from an older copy and went on from there. ${choice}.`
        })
      }
    }
    return { logId: bounds.logId, start, end }
  })
