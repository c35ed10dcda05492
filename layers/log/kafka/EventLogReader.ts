/** Reads the topic: any number of readers, each with a consumer of its own while it reads. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Array as Arr, Cause, Effect, Layer, Stream } from "effect"
import {
  EventLogReader,
  LogCorrupt,
  type LoggedEvent,
  type PartitionBounds,
  type Position
} from "../../../services/EventLog.ts"
import { topic } from "../../../services/Settings.ts"
import { plural } from "../../runtime/plural.ts"
import { boundsOf } from "./bounds.ts"
import * as Cluster from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import { codes, type KafkaFailure, unavailable } from "./failures.ts"
import { eventOf as recordedOf } from "./records.ts"

type EventOf = (message: Message) => LoggedEvent | undefined

interface How {
  readonly eventOf: EventOf
  /** What is left out is for the reader's user to say. */
  readonly silent: boolean
  readonly isolation: Cluster.Isolation
}

const recorded: How = { eventOf: recordedOf, silent: false, isolation: "read_uncommitted" }

export const make = Effect.fnUntraced(function* (
  cluster: Cluster.Cluster["Service"],
  consumers: Consumer.Consumers,
  topic: string,
  { eventOf, silent, isolation } = recorded
) {
  const bounds = Effect.gen(function* () {
    const { id, partitions } = yield* cluster.describe(topic)
    return { logId: id, partitions: yield* boundsOf(cluster, topic, partitions.length, isolation) }
  })

  /** Where the partition begins and ends now; a place outside of it is a broken promise. */
  const within = Effect.fnUntraced(function* (from: Position) {
    const { partitions } = yield* bounds
    const found = partitions[from.partition]
    const broken = (position: Position, reason: string) => Effect.fail(new LogCorrupt({ position, reason }))
    if (found === undefined) {
      return yield* broken({ ...from, offset: 0 }, `the topic ${topic} has no partition ${from.partition}`)
    }
    const { start, end } = found
    if (from.offset > end) {
      return yield* broken({ ...from, offset: end }, `the log ends here, and not at offset ${from.offset} or later`)
    }
    if (from.offset < start) {
      return yield* broken(
        from,
        `the topic ${topic} begins at offset ${start}; what was before has expired or was deleted`
      )
    }
    return found
  })

  const failed = Effect.fnUntraced(function* (failure: KafkaFailure, next: Position) {
    if (failure.code === codes.offsetReset || failure.code === codes.offsetOutOfRange) {
      yield* Effect.mapError(within(next), (error) =>
        error._tag === "LogCorrupt" ? error : unavailable("read")(error)
      )
    }
    return yield* unavailable("read")(failure)
  })

  const foreign = (messages: ReadonlyArray<Message>, events: ReadonlyArray<LoggedEvent>) => {
    const known = new Set(events.map(({ position }) => position.offset))
    const first = messages.find(({ offset }) => !known.has(offset))
    return Effect.logWarning(
      `Left out ${plural(messages.length - events.length, "message")} of the topic ${topic}: no weather records (another program wrote them); the first is at partition ${first?.partition}, offset ${first?.offset}.`
    )
  }

  const events = Effect.fnUntraced(function* (from: Position, untilEnd: boolean) {
    const { end } = yield* within(from)
    const stop = untilEnd ? end : Number.POSITIVE_INFINITY
    let next = from.offset
    if (next >= stop) return Stream.empty
    const cursor = yield* consumers.open([from])

    const more = Effect.gen(function* () {
      while (next < stop) {
        const messages = yield* cursor.next
        const wanted = messages.filter(({ offset }) => offset < stop)
        next = Math.max((messages.at(-1)?.offset ?? -1) + 1, cursor.ended.get(from.partition) ?? 0, next)
        const events = wanted.flatMap((message) => eventOf(message) ?? [])
        if (events.length < wanted.length && !silent) yield* foreign(wanted, events)
        if (Arr.isReadonlyArrayNonEmpty(events)) return events
      }
      return yield* Cause.done()
    })
    return Stream.fromPull(
      Effect.succeed(
        more.pipe(
          Effect.catchIf(
            (error) => "_tag" in error && error._tag === "KafkaFailure",
            (failure) => failed(failure, { ...from, offset: next })
          )
        )
      )
    )
  })

  /** By the brokers' index. */
  const firstAt = Effect.fn("EventLogReader.firstAt")(
    function* ({ partition, start, end }: PartitionBounds, millis: number) {
      const found = (yield* cluster.offsets(topic, partition + 1, millis))[partition] ?? -1
      return found < 0 ? end : Math.min(Math.max(found, start), end)
    },
    Effect.mapError(unavailable("firstAt"))
  )

  return EventLogReader.of({
    firstAt,
    bounds: bounds.pipe(Effect.mapError(unavailable("bounds")), Effect.withSpan("EventLogReader.bounds")),
    read: (from, options) =>
      Stream.unwrap(
        events(from, options?.until === "end").pipe(
          Effect.mapError((error) => (error._tag === "LogCorrupt" ? error : unavailable("read")(error)))
        )
      )
  })
})

const layerWith = (how: How) =>
  Layer.effect(
    EventLogReader,
    Effect.gen(function* () {
      const cluster = yield* Cluster.Cluster
      const name = yield* topic
      return yield* make(cluster, yield* Consumer.make(cluster, name, how.isolation), name, how)
    })
  ).pipe(Layer.provide(Cluster.layer))

export const layer = layerWith(recorded)

/** The topic as the connector takes it into the table: with another rule of what an event is, and of transactions what was committed. */
export const layerOf = (eventOf: EventOf) => layerWith({ eventOf, silent: true, isolation: "read_committed" })
