/** Which of several copies tries to work: one that has seen no sign of another for some time. */
import { Effect } from "effect"
import { Cluster } from "../../log/kafka/Cluster.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"

/** Milliseconds without a sign of another copy, by this machine's monotonic clock, after which a copy tries. */
export const silenceMillis = 3_000
const lookInterval = "200 millis"

/**
 * Waits until nothing was written to a partition of a state topic for so long. The end of the topic counts what open
 * transactions have written, so a worker in a long transaction is seen. Time in which no broker answers does not count.
 */
export const silence = Effect.fnUntraced(function* (
  topic: string,
  partition: number,
  millis: number,
  isDraining: () => boolean
) {
  const { offsets } = yield* Cluster
  let seen: number | undefined
  let since = 0
  while (!isDraining()) {
    const end = yield* offsets(topic, partition + 1, "end").pipe(
      Effect.map((ends) => ends[partition]),
      Effect.catch(() => Effect.undefined)
    )
    const now = yield* monotonicMillis
    if (end === undefined || end !== seen) {
      seen = end
      since = now
    } else if (now - since >= millis) return
    yield* Effect.sleep(lookInterval)
  }
})
