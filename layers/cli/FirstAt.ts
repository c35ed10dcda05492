/** Where in the log a time is. */
import { Effect, Option, Stream } from "effect"
import type { EventLogReader } from "../../services/EventLog.ts"

/**
 * Offset of the first event of a partition that was accepted at this time or later, by halving: events are in the order
 * in which they were accepted, as long as the server's clock does not step back.
 */
export const firstAt = Effect.fn("EventLog.firstAt")(function* (
  log: EventLogReader["Service"],
  { partition, start, end }: { readonly partition: number; readonly start: number; readonly end: number },
  millis: number
) {
  let from = start
  let to = end
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    const event = yield* Stream.runHead(log.read({ partition, offset: middle }, { until: "end" }))
    if (Option.exists(event, ({ acceptedAt }) => acceptedAt < millis)) from = middle + 1
    else to = middle
  }
  return from
})
