/** Finds the position of a time in the log. */
import { Effect, Option, Stream } from "effect"
import type { LogReader, LogRecord, PartitionBounds } from "../../../services/EventLog.ts"

/** Binary search: events are ordered by acceptance time unless the server's clock stepped back. */
export const firstAt = <R extends LogRecord>(read: LogReader<R>["read"]) =>
  Effect.fn("EventLogReader.firstAt")(function* ({ partition, start, end }: PartitionBounds, millis: number) {
    let from = start
    let to = end
    while (from < to) {
      const middle = Math.floor((from + to) / 2)
      const event = yield* Stream.runHead(read({ partition, offset: middle }, { until: "end" }))
      if (Option.exists(event, ({ acceptedAt }) => acceptedAt < millis)) from = middle + 1
      else to = middle
    }
    return from
  })
