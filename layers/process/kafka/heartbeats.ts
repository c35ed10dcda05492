/** Signs of life of the copy that works on a partition, each second: in a transaction, so that a copy that was fenced has none. */
import type { Clock } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import { heartbeatKey, heartbeatValue } from "./stateRecords.ts"
import type { TransactionalProducer } from "./TransactionalProducer.ts"

const interval = 1_000
/** Characters. */
const longestReason = 4_096

interface Place {
  /** Names this copy. */
  readonly id: string
  readonly stateTopic: string
  readonly partition: number
}

export const make = (
  clock: Clock.Clock,
  produce: TransactionalProducer["produce"],
  { id, partition, stateTopic }: Place
) => {
  let last = Number.NEGATIVE_INFINITY
  let count = 0
  let events = 0
  const elapsed = () => monotonicMillisUnsafe(clock) - last
  return {
    isDue: () => elapsed() >= interval,
    /** Puts one into the open transaction, with the events per second since the one before; `stopped` is why this copy ends. */
    beat: (stopped?: string) => {
      const rate = Math.round((events * 1_000) / Math.max(1, elapsed()))
      const reason = stopped === undefined ? {} : { stopped: stopped.slice(0, longestReason) }
      const value = heartbeatValue({ id, count: count++, rate, ...reason })
      produce(stateTopic, partition, value, heartbeatKey, clock.currentTimeMillisUnsafe())
      last = monotonicMillisUnsafe(clock)
      events = 0
    },
    processed: (more: number) => {
      events += more
    }
  }
}
