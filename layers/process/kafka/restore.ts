/** Reads what a processor has committed to its state topic. */
import { DatabaseSync } from "node:sqlite"
import type { Message } from "@confluentinc/kafka-javascript"
import { Effect } from "effect"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import { ProcessorStopped } from "../Runner.ts"
import { createTables } from "../sqlite/schema.ts"
import { statesIn } from "../sqlite/states.ts"
import { type ProgressRecord, type RekeyedRecord, stateRecordOf } from "./stateRecords.ts"

export interface Restored {
  /** The open windows: a copy, which SQLite keeps in memory and, past its cache, in a file that is deleted with it. */
  readonly database: DatabaseSync
  readonly progress: ProgressRecord | undefined
  readonly rekeyed: RekeyedRecord | undefined
  /** How many times windows were closed by the clock. */
  readonly ticks: number
}

/** Bytes of the copies of all partitions that stay in memory. */
const cache = 32 * 1024 * 1024
/** Bytes of the latest records of keys, of all partitions, that are kept until they are written: most of what is not compacted yet is never decoded. */
const maxLatest = 128 * 1024 * 1024
/** Bytes that a message takes beside its value. */
const messageBytes = 1_200
/** KiB that the client reads ahead. */
const prefetch = 4_096

const open = (partitions: number) => {
  const database = new DatabaseSync("")
  const kibibytes = Math.max(1_024, Math.floor(cache / 1_024 / partitions))
  // What fails is read from the topic again.
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -${kibibytes}`)
  createTables(database)
  // Made once it has all windows: that is cheaper than keeping it meanwhile.
  database.exec("DROP INDEX windows_by_end")
  return database
}

/**
 * One partition, as it is now. Nobody else may write to it: connect the producer first. The database closes with the scope.
 * `onBatch` runs between batches of the topic.
 */
export const restore = Effect.fnUntraced(function* <E>(
  topic: string,
  partition: number,
  onBatch: Effect.Effect<void, E>
) {
  const cluster = yield* Cluster
  const { partitions } = yield* cluster.describe(topic)
  const database = yield* Effect.acquireRelease(
    Effect.sync(() => open(partitions.length)),
    (database) => Effect.sync(() => database.close())
  )
  const states = statesIn(database)
  const bounds = yield* cluster.bounds(topic, partitions.length, "read_committed")
  const { end, start } = bounds[partition] ?? { start: 0, end: 0 }
  let progress: ProgressRecord | undefined
  let rekeyed: RekeyedRecord | undefined
  let ticks = 0

  const write = (messages: Iterable<Message>) => {
    database.exec("BEGIN")
    for (const message of messages) {
      const record = stateRecordOf(message)
      if (record === undefined) {
        const place = `${topic}/${partition}/${message.offset}`
        throw new ProcessorStopped(
          `The record at ${place} is no state of a processor: another program wrote to its topic, or a newer version of Floe.`
        )
      }
      if (record._tag === "Window") states.put(record.row, record.row.start)
      else if (record._tag === "Closed") states.remove(record.key, record.start)
      else if (record._tag === "Progress") progress = record.progress
      else if (record._tag === "Rekeyed") rekeyed = record.rekeyed
      else if (record._tag === "Tick") ticks = Math.max(ticks, record.n + 1)
    }
    database.exec("COMMIT")
  }

  const read = Effect.gen(function* () {
    const consumers = yield* Consumer.make(topic, "read_committed", undefined, prefetch)
    const cursor = yield* consumers.open([{ partition, offset: start }])
    let next = start
    const latest = new Map<string, Message>()
    let bytes = 0
    while (next < end) {
      const messages = yield* cursor.next
      for (const message of messages) {
        const key = message.key?.toString("latin1") ?? ""
        const before = latest.get(key)
        bytes += before === undefined ? messageBytes : -(before.value?.length ?? 0)
        bytes += message.value?.length ?? 0
        latest.set(key, message)
      }
      next = Consumer.nextOffset(cursor, partition, next, messages)
      if (bytes >= maxLatest / partitions.length || next >= end) {
        yield* Effect.try({ try: () => write(latest.values()), catch: (cause) => cause })
        latest.clear()
        bytes = 0
      }
      yield* onBatch
    }
  })
  if (start < end) yield* Effect.scoped(read)
  createTables(database)
  return { database, progress, rekeyed, ticks } satisfies Restored
})
