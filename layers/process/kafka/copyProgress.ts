/** Whether a topic by key has the events of the processor's input: as long as it has not, a pause in it is no pause of the stream. */
import { Effect } from "effect"
import { stateTopicOf } from "../../../services/Topics.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import * as LastEvents from "../../log/kafka/lastEvents.ts"
import { stateSummary } from "./stateSummary.ts"

export interface Copied {
  /** The input's. */
  readonly topic: string
  /** The one by key. */
  readonly byKey: string
  /** Of both. */
  readonly partitions: number
}

export const make = Effect.fnUntraced(function* ({ byKey, partitions, topic }: Copied) {
  const cluster = yield* Cluster
  const stateTopic = stateTopicOf(byKey)
  const consumers = yield* Consumer.make(stateTopic, "read_committed")
  const toLastEvents = LastEvents.make(yield* Consumer.make(topic, "read_committed"))
  let seen = { end: -1, next: [] as ReadonlyArray<number> }
  let wanted: ReadonlyArray<number> | undefined

  const ends = Effect.gen(function* () {
    const { id } = yield* cluster.describe(topic)
    const bounds = yield* cluster.bounds(topic, partitions, "read_committed")
    return (yield* toLastEvents({ logId: id, partitions: bounds })).partitions.map(({ end }) => end)
  })

  /** Offset of the next event of each partition of the input. */
  const copied = Effect.gen(function* () {
    const [bounds] = yield* cluster.bounds(stateTopic, 1, "read_committed")
    if (bounds !== undefined && bounds.end !== seen.end) {
      const { rekeyed } = yield* stateSummary(consumers, bounds, false)
      seen = { end: bounds.end, next: rekeyed?.next ?? [] }
    }
    return seen.next
  })

  return {
    /** An event came to a partition: what the input had before says nothing about the next pause. */
    reset: () => {
      wanted = undefined
    },
    /** Whether a reader who is at `offset` of a partition of the topic by key has all that the input had at the first call after `reset`. */
    isReached: (partition: number, offset: () => number) =>
      Effect.gen(function* () {
        wanted ??= yield* ends
        const next = yield* copied
        if (wanted.some((end, one) => end > (next[one] ?? 0))) return false
        // Also what is not committed yet: the markers of a transaction reach its topics one after the other.
        return offset() >= ((yield* cluster.offsets(byKey, partitions, "end"))[partition] ?? 0)
      })
  }
})
