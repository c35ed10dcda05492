/** A partition in memory whose offsets have a message, or none: markers of transactions and what was aborted. Readers get at most two at a time. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Effect } from "effect"
import type { Consumers } from "../../../layers/log/kafka/Consumer.ts"

type Content = Pick<Message, "key" | "value"> | undefined

export const consumersOf = (offsets: ReadonlyArray<Content>) => {
  const opened: Array<number> = []
  const consumers: Consumers = {
    open: ([place]) =>
      Effect.sync(() => {
        let next = place?.offset ?? 0
        opened.push(next)
        const ended = new Map<number, number>()
        return {
          seek: () => {},
          isReady: () => true,
          ended,
          next: Effect.sync(() => {
            const messages: Array<Message> = []
            for (; next < offsets.length && messages.length < 2; next++) {
              const content = offsets[next]
              if (content !== undefined) messages.push({ partition: 0, offset: next, ...content })
            }
            if (next === offsets.length) ended.set(0, next)
            return messages
          })
        }
      })
  }
  return { consumers, opened }
}
