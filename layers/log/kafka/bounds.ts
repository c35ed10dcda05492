/** Where the partitions of a topic begin and end. */
import { Effect } from "effect"
import type { PartitionBounds } from "../../../services/EventLog.ts"
import type { Cluster, Isolation } from "./Cluster.ts"

export const boundsOf = Effect.fnUntraced(function* (
  { offsets }: Cluster["Service"],
  topic: string,
  count: number,
  isolation?: Isolation
) {
  const [starts, ends] = yield* Effect.all([offsets(topic, count, "start"), offsets(topic, count, "end", isolation)], {
    concurrency: 2
  })
  return starts.map((start, partition): PartitionBounds => ({ partition, start, end: ends[partition] ?? start }))
})
