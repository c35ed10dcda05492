/** Reads partitions of a processor's input: committed events, in the order of each partition. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Effect } from "effect"
import type { LogCorrupt, LoggedEvent, LogRecord, LogUnavailable } from "../../../services/EventLog.ts"
import { Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { recognizing } from "../../ingest/checker/LoggedEvents.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import { versionOf } from "../../log/kafka/eventRecords.ts"
import type { KafkaFailure } from "../../log/kafka/failures.ts"
import { eventOf } from "../../log/kafka/records.ts"
import * as StreamEvents from "../../log/kafka/streamEvents.ts"
import { plural } from "../../runtime/plural.ts"
import { type InputEvent, ProcessorStopped } from "../Runner.ts"

/** Milliseconds that the broker holds an empty fetch; a new event ends it. */
const fetchWait = 500
/** KiB that are read ahead of each partition. */
const prefetch = 2_048

interface Place {
  readonly stream: string
  readonly topic: string
  readonly partition: number
  /** Offset of the first event. */
  readonly from: number
}

export interface Input {
  /** Waits for events: none after half a second without any. */
  readonly next: Effect.Effect<ReadonlyArray<InputEvent>, KafkaFailure | LogUnavailable | LogCorrupt>
  /** Whether `next` may have some without waiting. */
  readonly isReady: () => boolean
  /** Whether nothing more was there when the partition was read last. */
  readonly isAtEnd: () => boolean
  /** Everything before this offset was read, also what is no event. */
  readonly readUpTo: () => number
}

const inputEventOf = ({ acceptedAt, position, record, schemaVersion = 1 }: LoggedEvent<LogRecord>): InputEvent => ({
  offset: position.offset,
  record,
  acceptedAt,
  schemaVersion
})

/** Its time decides nothing. An event of a version that is not known here stops the processor, which must not pass it. */
const foreign = (message: Message): InputEvent => ({
  offset: message.offset,
  record: "",
  acceptedAt: 0,
  schemaVersion: versionOf(message) ?? 1,
  isForeign: true
})

const weatherEventsOf = (message: Message) => {
  const event = eventOf(message)
  if (event === undefined) return []
  // Another program may have written the fields in another order, and late events are written as they are.
  const { city, temperature, ts } = event.record
  return [inputEventOf({ ...event, record: { city, temperature, ts } })]
}

/** Offsets of the first events that the partitions of a topic still have: a new processor begins there. */
export const startsOf = Effect.fnUntraced(function* (topic: string, partitions: number) {
  const bounds = yield* (yield* Cluster).bounds(topic, partitions, "read_committed")
  return bounds.map(({ start }) => start)
})

/** Until the scope closes. Fails with ProcessorStopped if the events are gone. */
export const open = Effect.fnUntraced(function* ({ from, partition, stream, topic }: Place) {
  const cluster = yield* Cluster
  const streams = yield* Streams
  const bounds = yield* cluster.bounds(topic, partition + 1, "read_committed")
  const { end, start } = bounds[partition] ?? { start: 0, end: 0 }
  if (from < start || from > end) {
    const sentence =
      from < start
        ? `begins at offset ${start}: earlier events have expired or were deleted`
        : `ends at offset ${end}: later events were deleted`
    return yield* Effect.fail(
      new ProcessorStopped(
        `The processor cannot go on from ${topic}/${partition}/${from}, as partition ${partition} of the topic ${topic} ${sentence}. Restore Kafka's volumes from a copy.`
      )
    )
  }
  const cursor = yield* (yield* Consumer.make(topic, "read_committed", fetchWait, prefetch)).open([
    { partition, offset: from }
  ])
  let read = from

  const eventsOf =
    stream === weatherStream.definition.name
      ? (messages: ReadonlyArray<Message>) => Effect.succeed(messages.flatMap(weatherEventsOf))
      : Effect.fnUntraced(function* (messages: ReadonlyArray<Message>) {
          return (yield* ofStream(messages)).map(inputEventOf)
        })
  const ofStream = StreamEvents.make(stream, streams, recognizing)

  const next: Input["next"] = Effect.gen(function* () {
    const messages = yield* cursor.next
    if (messages.length === 0) return []
    const events = yield* eventsOf(messages)
    read = (messages.at(-1)?.offset ?? -1) + 1
    if (events.length === messages.length) return events
    yield* Effect.logWarning(
      `Left out ${plural(messages.length - events.length, "message")} of the topic ${topic} that are not events of the stream ${stream} (another program wrote them).`
    )
    const byOffset = new Map(events.map((event) => [event.offset, event]))
    return messages.map((message) => byOffset.get(message.offset) ?? foreign(message))
  })
  return {
    next,
    isReady: cursor.isReady,
    isAtEnd: () => (cursor.ended.get(partition) ?? -1) >= read,
    readUpTo: () => Math.max(read, cursor.ended.get(partition) ?? 0)
  } satisfies Input
})
