/** Where in the log a time is. */
import { Effect, Option, Stream } from "effect"
import type { EventLogReader, PartitionBounds } from "../../../services/EventLog.ts"

/** By halving: events are in the order in which they were accepted, as long as the server's clock does not step back. */
export const firstAt = (read: EventLogReader["Service"]["read"]) =>
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
