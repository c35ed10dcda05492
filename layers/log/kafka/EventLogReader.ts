/** Reads the topic; each running read has a consumer of its own. */
import type { Message } from "@confluentinc/kafka-javascript"
import { Array as Arr, Cause, Effect, Layer, Option, type Scope, Stream } from "effect"
import {
  EventLogReader,
  LogCorrupt,
  type LoggedEvent,
  type LogReader,
  type LogRecord,
  type LogUnavailable,
  type PartitionBounds,
  type Position
} from "../../../services/EventLog.ts"
import { topic } from "../../../services/Settings.ts"
import { Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"
import { Cluster, type Isolation } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import { codes, type KafkaFailure, unavailable } from "./failures.ts"
import * as LastEvents from "./lastEvents.ts"
import { eventOf as weatherEventOf } from "./records.ts"
import * as StreamEvents from "./streamEvents.ts"
import { topicNames } from "./topicNames.ts"

type EventOf = (message: Message) => LoggedEvent | undefined

interface ReadOptions<R extends LogRecord> {
  /** The events among messages, in order. */
  readonly eventsOf: (
    messages: ReadonlyArray<Message>
  ) => Effect.Effect<ReadonlyArray<LoggedEvent<R>>, LogUnavailable | LogCorrupt>
  /** Warns of messages that are left out because they are not this; without it there is no warning. */
  readonly what: string | undefined
  readonly isolation: Isolation
  /** Named in errors; weather is not. */
  readonly stream?: string
  /** Whether a processor writes it, in transactions, whose markers have offsets. */
  readonly hasMarkers?: boolean
}

const readerOf = Effect.fnUntraced(function* <R extends LogRecord>(
  consumers: Consumer.Consumers,
  topic: string,
  { eventsOf, hasMarkers = false, what, isolation, stream }: ReadOptions<R>
) {
  const cluster = yield* Cluster
  const toLastEvents = LastEvents.make(consumers)
  const bounds = Effect.gen(function* () {
    const { id, partitions } = yield* cluster.describe(topic)
    return { logId: id, partitions: yield* cluster.bounds(topic, partitions.length, isolation) }
  })

  const within = Effect.fnUntraced(function* (from: Position) {
    const { partitions } = yield* bounds
    const partition = partitions[from.partition]
    const broken = (position: Position, reason: string) =>
      Effect.fail(new LogCorrupt({ position, reason, ...(stream === undefined ? {} : { stream }) }))
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

  const warnForeign = (messages: ReadonlyArray<Message>, events: ReadonlyArray<LoggedEvent<R>>) => {
    const known = new Set(events.map(({ position }) => position.offset))
    const first = messages.find(({ offset }) => !known.has(offset))
    return Effect.logWarning(
      `Left out ${plural(messages.length - events.length, "message")} of the topic ${topic} that are not ${what} (another program wrote them); the first is at partition ${first?.partition}, offset ${first?.offset}.`
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
        next = Consumer.nextOffset(cursor, from.partition, next, messages)
        const events = yield* eventsOf(wanted)
        if (events.length < wanted.length && what !== undefined) yield* warnForeign(wanted, events)
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

  const read: LogReader<R>["read"] = (from, options) =>
    Stream.unwrap(
      events(from, options?.until === "end").pipe(
        Effect.mapError((error) => (error._tag === "LogCorrupt" ? error : unavailable("read")(error)))
      )
    )

  const firstAt = Effect.fn("EventLogReader.firstAt")(function* (
    { partition, start, end }: PartitionBounds,
    millis: number
  ) {
    const offsets = yield* Effect.mapError(cluster.offsets(topic, partition + 1, millis), unavailable("firstAt"))
    const found = offsets[partition] ?? -1
    if (found < 0) return end
    const offset = Math.min(Math.max(found, start), end)
    if (!hasMarkers || offset === end) return offset
    // The broker may have found a marker: it has a time of its own, and events after it can have been accepted before that.
    const first = yield* read({ partition, offset }, { until: "end" }).pipe(
      Stream.filter(({ acceptedAt }) => acceptedAt >= millis),
      Stream.runHead
    )
    return Option.match(first, { onNone: () => end, onSome: ({ position }) => Math.min(position.offset, end) })
  })

  return {
    firstAt,
    bounds: bounds.pipe(
      Effect.flatMap((all) => (hasMarkers ? toLastEvents(all) : Effect.succeed(all))),
      Effect.mapError(unavailable("bounds")),
      Effect.withSpan("EventLogReader.bounds")
    ),
    read
  } satisfies LogReader<R>
})

const { name: weather } = weatherStream.definition

interface Options {
  /** Weather's events among the messages of its topic. */
  readonly eventOf: EventOf
  readonly recognizing: StreamEvents.Recognizing
  /** Without warnings, and without what another program's open transaction has. */
  readonly asConnector: boolean
}

/** `consumers` read weather's topic, `topic`. */
export const make = Effect.fnUntraced(function* (
  consumers: Consumer.Consumers,
  topic: string,
  { eventOf, recognizing, asConnector }: Options
) {
  const streams = yield* Streams
  const context = yield* Effect.context<Cluster | Scope.Scope>()
  const warnings = (what: string) => (asConnector ? undefined : what)
  const reader = yield* readerOf(consumers, topic, {
    eventsOf: (messages) => Effect.sync(() => messages.flatMap((message) => eventOf(message) ?? [])),
    what: warnings("weather records"),
    isolation: asConnector ? "read_committed" : "read_uncommitted"
  })

  const open = (stream: string, topic: string) =>
    Effect.gen(function* () {
      const [applied] = (yield* Effect.orElseSucceed(streams.history(stream), () => [])).slice(-1)
      return yield* readerOf<string>(yield* Consumer.make(topic, "read_committed"), topic, {
        eventsOf: StreamEvents.make(stream, streams, recognizing),
        what: warnings(`events of the stream ${stream}`),
        isolation: "read_committed",
        stream,
        hasMarkers: applied?.definition.writer !== undefined
      })
    }).pipe(Effect.provideContext(context))

  const names = topicNames.pipe(Effect.provideService(Streams, streams))

  const readers = new Map<string, LogReader>([[weather, reader]])
  const of = (stream: string): LogReader => {
    const known = readers.get(stream)
    if (known !== undefined) return known
    const byTopic = new Map<string, ReturnType<typeof open>>()
    /** A derived stream has another topic after it was rebuilt. */
    const opened = Effect.gen(function* () {
      const topic = (yield* names).ofStream(stream)
      const known = byTopic.get(topic)
      if (known !== undefined) return yield* known
      const made = yield* Effect.cached(open(stream, topic))
      byTopic.clear()
      byTopic.set(topic, made)
      return yield* made
    })
    const made: LogReader = {
      bounds: Effect.flatMap(opened, ({ bounds }) => bounds),
      read: (from, options) => Stream.unwrap(Effect.map(opened, ({ read }) => read(from, options))),
      firstAt: (bounds, millis) => Effect.flatMap(opened, ({ firstAt }) => firstAt(bounds, millis))
    }
    readers.set(stream, made)
    return made
  }

  return EventLogReader.of({ ...reader, of })
})

const layerWith = (options: Options) =>
  Layer.effect(
    EventLogReader,
    Effect.gen(function* () {
      const name = yield* topic
      const isolation = options.asConnector ? "read_committed" : "read_uncommitted"
      return yield* make(yield* Consumer.make(name, isolation), name, options)
    })
  ).pipe(Layer.provide(Cluster.layer))

/** Recognizes what Floe writes of weather, and warns of other messages. */
export const optionsOf = (recognizing: StreamEvents.Recognizing): Options => ({
  eventOf: weatherEventOf,
  recognizing,
  asConnector: false
})

export const layer = (recognizing: StreamEvents.Recognizing) => layerWith(optionsOf(recognizing))

/** Reads the topics as the connectors do: committed transactions only, and `eventOf` decides which of weather's messages are events. */
export const layerOf = (eventOf: EventOf, recognizing: StreamEvents.Recognizing) =>
  layerWith({ eventOf, recognizing, asConnector: true })
