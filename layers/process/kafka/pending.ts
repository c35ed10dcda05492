/** Events that were read and are not processed yet: a transaction takes as many of them as it has room for. */
import { Effect } from "effect"

/** Events between looks whether the transaction is full. */
const piece = 10

/** `read` is told whether to wait for events. */
export const make = <A, E, R>(
  read: (wait: boolean) => Effect.Effect<ReadonlyArray<A>, E, R>,
  /** Returns how many of them count. */
  process: (events: ReadonlyArray<A>) => number
) => {
  let events: ReadonlyArray<A> = []
  let at = 0
  return {
    /** Whether there are any; reads more once all are processed. */
    next: (wait: boolean) =>
      at < events.length
        ? Effect.succeed(true)
        : Effect.map(read(wait), (found) => {
            events = found
            at = 0
            return found.length > 0
          }),
    /** Processes them until `isFull`, the first ones in any case; returns how many counted. */
    add: (isFull: () => boolean) => {
      let count = 0
      do {
        count += process(events.slice(at, at + piece))
        at = Math.min(events.length, at + piece)
      } while (at < events.length && !isFull())
      return count
    }
  }
}
