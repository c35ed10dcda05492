/** Reads the topic; each running read has a consumer of its own. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Array as Arr, Cause, Effect, Layer, Stream } from "effect"
import {
  EventLogReader,
  LogCorrupt,
  type LoggedEvent,
  type LogReader,
  type PartitionBounds,
  type Position
} from "../../../services/EventLog.ts"
import { topic } from "../../../services/Settings.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import { Cluster, type Isolation } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import { codes, type KafkaFailure, unavailable } from "./failures.ts"
import { readerOf } from "./onlyWeather.ts"
import { eventOf as weatherEventOf } from "./records.ts"

type EventOf = (message: Message) => LoggedEvent | undefined

interface ReadOptions {
  readonly eventOf: EventOf
  /** Without a warning about messages that are left out. */
  readonly silent: boolean
  readonly isolation: Isolation
}

const defaults: ReadOptions = { eventOf: weatherEventOf, silent: false, isolation: "read_uncommitted" }

export const make = Effect.fnUntraced(function* (
  consumers: Consumer.Consumers,
  topic: string,
  { eventOf, silent, isolation } = defaults
) {
  const cluster = yield* Cluster
  const bounds = Effect.gen(function* () {
    const { id, partitions } = yield* cluster.describe(topic)
    return { logId: id, partitions: yield* cluster.bounds(topic, partitions.length, isolation) }
  })

  const within = Effect.fnUntraced(function* (from: Position) {
    const { partitions } = yield* bounds
    const partition = partitions[from.partition]
    const broken = (position: Position, reason: string) => Effect.fail(new LogCorrupt({ position, reason }))
    if (partition === undefined) {
      return yield* broken({ ...from, offset: 0 }, `the topic ${topic} has no partition ${from.partition}`)
    }
    const { start, end } = partition
    if (from.offset > end) {
      return yield* broken({ ...from, offset: end }, `the log ends here, not at offset ${from.offset} or later`)
    }
    if (from.offset < start) {
      return yield* broken(
        from,
        `the topic ${topic} begins at offset ${start}; earlier events have expired or were deleted`
      )
    }
    return partition
  })

  const failed = Effect.fnUntraced(function* (failure: KafkaFailure, next: Position) {
    if (failure.code === codes.offsetReset || failure.code === codes.offsetOutOfRange) {
      yield* Effect.mapError(within(next), (error) =>
        error._tag === "LogCorrupt" ? error : unavailable("read")(error)
      )
    }
    return yield* unavailable("read")(failure)
  })

  const warnForeign = (messages: ReadonlyArray<Message>, events: ReadonlyArray<LoggedEvent>) => {
    const known = new Set(events.map(({ position }) => position.offset))
    const first = messages.find(({ offset }) => !known.has(offset))
    return Effect.logWarning(
      `Left out ${plural(messages.length - events.length, "message")} of the topic ${topic} that are not weather records (another program wrote them); the first is at partition ${first?.partition}, offset ${first?.offset}.`
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
        if (events.length < wanted.length && !silent) yield* warnForeign(wanted, events)
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

  const firstAt = Effect.fn("EventLogReader.firstAt")(
    function* ({ partition, start, end }: PartitionBounds, millis: number) {
      const offset = (yield* cluster.offsets(topic, partition + 1, millis))[partition] ?? -1
      return offset < 0 ? end : Math.min(Math.max(offset, start), end)
    },
    Effect.mapError(unavailable("firstAt"))
  )

  const reader: LogReader<WeatherRecord> = {
    firstAt,
    bounds: bounds.pipe(Effect.mapError(unavailable("bounds")), Effect.withSpan("EventLogReader.bounds")),
    read: (from, options) =>
      Stream.unwrap(
        events(from, options?.until === "end").pipe(
          Effect.mapError((error) => (error._tag === "LogCorrupt" ? error : unavailable("read")(error)))
        )
      )
  }
  return EventLogReader.of({ ...reader, of: readerOf(reader) })
})

const layerWith = (options: ReadOptions) =>
  Layer.effect(
    EventLogReader,
    Effect.gen(function* () {
      const name = yield* topic
      return yield* make(yield* Consumer.make(name, options.isolation), name, options)
    })
  ).pipe(Layer.provide(Cluster.layer))

export const layer = layerWith(defaults)

/** Reads the topic as the connector does: committed transactions only, and `eventOf` decides which messages are events. */
export const layerOf = (eventOf: EventOf) => layerWith({ eventOf, silent: true, isolation: "read_committed" })
