/** Reads, beside the copies that work, how far a processor is by the topic of its state. */
import { Effect } from "effect"
import type { PartitionBounds } from "../../../services/EventLog.ts"
import { type Consumers, nextOffset } from "../../log/kafka/Consumer.ts"
import { type ProgressRecord, type RekeyedRecord, type StateRecord, stateRecordOf } from "./stateRecords.ts"

/** Offsets that are read first in search of the last progress; an idle processor has written only heartbeats since. */
const firstReach = 1_000
const growth = 32

interface StateSummary {
  /** Undefined before the first transaction with events. */
  readonly progress: ProgressRecord | undefined
  /** Of the topic of what brings an input into another key's order. */
  readonly rekeyed?: RekeyedRecord
  /** Events per second, and why the copy that worked stopped; undefined without a heartbeat that says so. */
  readonly rate: number | undefined
  readonly stopped: string | undefined
  /** Open windows, or keys of a fold; null if they were not asked for. */
  readonly open: number | null
}

/** Calls `take` with each record of [from, end). Records that cannot be read are left out: the processor says what they are. */
export const scan = (
  consumers: Consumers,
  partition: number,
  from: number,
  end: number,
  take: (key: string, record: StateRecord) => void
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const cursor = yield* consumers.open([{ partition, offset: from }])
      let next = from
      while (next < end) {
        const messages = yield* cursor.next
        for (const message of messages) {
          const record = stateRecordOf(message)
          if (record !== undefined) take(String(message.key), record)
        }
        next = nextOffset(cursor, partition, next, messages)
      }
    })
  )

/** Of one partition. `consumers` read committed records of the topic. With `countsOpen` the whole partition is read. */
export const stateSummary = Effect.fnUntraced(function* (
  consumers: Consumers,
  { end, partition, start }: PartitionBounds,
  countsOpen: boolean
) {
  const open = new Set<string>()
  let progress: ProgressRecord | undefined
  let rekeyed: RekeyedRecord | undefined
  let rate: number | undefined
  let stopped: string | undefined
  const take = (key: string, record: StateRecord) => {
    if (record._tag === "Progress") progress = record.progress
    else if (record._tag === "Rekeyed") rekeyed = record.rekeyed
    else if (record._tag === "Heartbeat") ({ rate, stopped } = record.heartbeat ?? {})
    else if (record._tag === "Window") open.add(key)
    else if (record._tag === "Closed") open.delete(key)
  }
  for (let reach = countsOpen ? end - start : firstReach; start < end; reach *= growth) {
    const from = Math.max(start, end - reach)
    yield* scan(consumers, partition, from, end, take)
    if (progress !== undefined || rekeyed !== undefined || from === start) break
  }
  return {
    progress,
    rate,
    stopped,
    ...(rekeyed === undefined ? {} : { rekeyed }),
    open: countsOpen ? open.size : null
  } satisfies StateSummary
})
