/**
 * Ends of partitions without what follows their last event: the marker of a transaction has an offset and is no record, so a
 * reader of every event never reaches the end of a topic that a transactional producer writes.
 */
import { Effect } from "effect"
import type { LogBounds, PartitionBounds } from "../../../services/EventLog.ts"
import { Cluster } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"

/** Offsets that are read first: the marker, and the event before it. */
const firstReach = 2
/** Of an aborted transaction nothing is read, so the next look reaches further back. */
const growth = 32

const concurrency = 4

export const make = (consumers: Consumer.Consumers) => {
  const known = new Map<number, { readonly end: number; readonly last: number }>()

  /** The offset after the last record in [from, end); undefined if there is none. */
  const lastIn = Effect.fnUntraced(function* (partition: number, from: number, end: number) {
    const cursor = yield* consumers.open([{ partition, offset: from }])
    let next = from
    let last: number | undefined
    while (next < end) {
      const messages = yield* cursor.next
      const before = messages.findLast(({ offset }) => offset < end)
      if (before !== undefined) last = before.offset + 1
      next = Consumer.nextOffset(cursor, partition, next, messages)
    }
    return last
  }, Effect.scoped)

  const lastOf = Effect.fnUntraced(function* ({ end, partition, start }: PartitionBounds) {
    const before = known.get(partition)
    if (before?.end === end) return Math.max(before.last, start)
    const least = Math.max(start, before?.last ?? start)
    for (let reach = firstReach; ; reach *= growth) {
      const from = Math.max(least, end - reach)
      const last = from < end ? yield* lastIn(partition, from, end) : undefined
      if (last === undefined && from > least) continue
      known.set(partition, { end, last: last ?? least })
      return last ?? least
    }
  })

  let logId: string | undefined
  return (bounds: LogBounds) =>
    Effect.suspend(() => {
      if (bounds.logId !== logId) known.clear()
      logId = bounds.logId
      return Effect.forEach(
        bounds.partitions,
        (partition) => Effect.map(lastOf(partition), (end): PartitionBounds => ({ ...partition, end })),
        { concurrency }
      )
    }).pipe(Effect.map((partitions): LogBounds => ({ ...bounds, partitions })))
}

/** The bounds of the committed events of a topic, whichever program wrote them. */
export const boundsOf = Effect.fnUntraced(function* (topic: string) {
  const cluster = yield* Cluster
  const { id, partitions } = yield* cluster.describe(topic)
  const toLastEvents = make(yield* Consumer.make(topic, "read_committed"))
  const bounds = yield* cluster.bounds(topic, partitions.length, "read_committed")
  return (yield* toLastEvents({ logId: id, partitions: bounds })).partitions
}, Effect.scoped)
