import { Effect, Option, Schema, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import type { LoggedEvent, LogReader, LogRecord, PartitionBounds } from "../../../services/EventLog.ts"
import { topic } from "../../../services/Settings.ts"
import { weather } from "../../../services/TableReader.ts"
import * as Profile from "../../profile/Profile.ts"
import { describeTime, parse as parseAsOf } from "../terminal/asOfFlag.ts"
import { type Colorize, colorize as painter } from "../terminal/colorize.ts"
import { cell } from "../terminal/formatTable.ts"
import { time } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"
import { json } from "../terminal/printJson.ts"
import { logOf, streamFlag, streamNamed } from "../terminal/streamFlag.ts"
import { usageError } from "../terminal/usageError.ts"

class AnotherTopic extends Schema.TaggedError<AnotherTopic>()("AnotherTopic", {
  topic: Schema.String,
  wanted: Schema.String
}) {
  override get message() {
    return `The log is the topic ${this.topic}, not ${this.wanted}; set FLOE_TOPIC to read another topic.`
  }
}

class NoSuchPartition extends Schema.TaggedError<NoSuchPartition>()("NoSuchPartition", { partition: Schema.Int }) {
  override get message() {
    return `The log has no partition ${this.partition}.`
  }
}

class NoSuchOffset extends Schema.TaggedError<NoSuchOffset>()("NoSuchOffset", {
  offset: Schema.Int,
  partition: Schema.Int,
  start: Schema.Int,
  end: Schema.Int
}) {
  override get message() {
    return `Partition ${this.partition} of the log has no offset ${this.offset}: its first offset is ${this.start}, and its end is ${this.end}.`
  }
}

class NoSuchPosition extends Schema.TaggedError<NoSuchPosition>()("NoSuchPosition", {
  reason: Schema.Union([AnotherTopic, NoSuchPartition, NoSuchOffset])
}) {
  override get message() {
    return this.reason.message
  }
}

type From =
  | {
      readonly _tag: "Offset"
      readonly topic: string | undefined
      readonly partition: number | undefined
      readonly offset: number
    }
  | { readonly _tag: "Time"; readonly millis: number }

const position = /^(?:(?:([^/\s]+)\/)?(\d{1,9})\/)?(\d{1,15})$/

const parse = (text: string): Option.Option<From> => {
  const match = position.exec(text)
  if (match !== null) {
    const [, topic, partition, offset] = match
    return Option.some({
      _tag: "Offset",
      topic,
      partition: partition === undefined ? undefined : Number(partition),
      offset: Number(offset)
    })
  }
  const asOf = parseAsOf(text)
  return Option.isSome(asOf) && asOf.value._tag === "Time" ? Option.some(asOf.value) : Option.none()
}

/** The offset to start at in a partition; the end of one that was not selected. */
const startIn = Effect.fnUntraced(function* (log: LogReader, from: Option.Option<From>, bounds: PartitionBounds) {
  const { partition, start, end } = bounds
  if (Option.isNone(from)) return end
  if (from.value._tag === "Time") return yield* log.firstAt(bounds, from.value.millis)
  const { offset, partition: wanted } = from.value
  if (wanted !== undefined && wanted !== partition) return end
  if (offset >= start && offset <= end) return offset
  return yield* new NoSuchPosition({ reason: new NoSuchOffset({ offset, ...bounds }) })
})

type Event = LoggedEvent<LogRecord>

/** A stream's event is JSON already, with names of its own. */
const jsonLine = ({ position, acceptedAt, record }: Event) => {
  const head = { ...position, acceptedAt: time(acceptedAt) }
  return typeof record === "string"
    ? `${JSON.stringify(head).slice(0, -1)},"event":${record}}\n`
    : `${JSON.stringify({ ...head, ...record })}\n`
}

const textLine =
  (topic: string, paint: Colorize) =>
  ({ position: { partition, offset }, acceptedAt, record }: Event) => {
    const text = typeof record === "string" ? record : `${cell(record.temperature).padStart(6)}  ${cell(record.city)}`
    return `${paint("gray", `${topic}/${partition}/${offset}  ${time(acceptedAt)}`)}  ${text}\n`
  }

export const tail = Command.make(
  "tail",
  {
    from: Flag.String("from").pipe(
      Flag.withDescription(
        "Start at a position (0/42 or weather/0/42, with only new events from other partitions; 42 in each partition) or at a time (2026-01-08T14:30, in UTC)"
      ),
      Flag.withMetavar("position or time"),
      Flag.filterMap(
        parse,
        (text) => `Expected a position (42 or weather/0/42) or a time (2026-01-08T14:30), but got ${describeTime(text)}`
      ),
      Flag.optional
    ),
    city: Flag.String("city").pipe(
      Flag.withDescription("Show only events of this city; may be repeated"),
      Flag.atLeast(0)
    ),
    stream: streamFlag,
    json: json.pipe(Flag.withDescription("Print one JSON object per line"))
  },
  Effect.fn("floe tail")(function* ({ from, city, stream, json }) {
    if (stream !== weather && city.length > 0) {
      return yield* usageError(["floe", "tail"], "--city is for weather; a stream of your own may have no such column.")
    }
    yield* streamNamed(stream)
    const log = yield* logOf(stream)
    const { partitions } = yield* log.bounds
    const wanted = Option.getOrUndefined(from)
    const name = stream === weather ? yield* topic : stream
    if (wanted?._tag === "Offset") {
      if (wanted.topic !== undefined && wanted.topic !== name) {
        return yield* new NoSuchPosition({ reason: new AnotherTopic({ topic: name, wanted: wanted.topic }) })
      }
      if (wanted.partition !== undefined && !partitions.some(({ partition }) => partition === wanted.partition)) {
        return yield* new NoSuchPosition({ reason: new NoSuchPartition({ partition: wanted.partition }) })
      }
    }
    const line = json ? jsonLine : textLine(name, yield* painter)
    const streams = yield* Effect.forEach(
      partitions,
      Effect.fnUntraced(function* (bounds) {
        const { partition } = bounds
        return log.read({ partition, offset: yield* startIn(log, from, bounds) })
      })
    )
    const isWanted = ({ record }: Event) =>
      city.length === 0 || typeof record === "string" || city.includes(record.city)
    yield* print(
      Stream.mergeAll(streams, { concurrency: "unbounded", bufferSize: 16 }).pipe(
        Stream.filter(isWanted),
        Stream.mapArray((events) => [events.map(line).join("")])
      )
    )
  })
).pipe(
  Command.withDescription(
    "Follow the log: print one line for each event as it is logged, until Ctrl-C. The events of a stream of your own are printed as JSON."
  ),
  Command.withShortDescription("Follow the log"),
  Command.withExamples([
    { command: "floe tail", description: "Print new events" },
    { command: "floe tail --from 0 --json | head", description: "Print the first events in the log" },
    { command: "floe tail --from 2026-01-08T14:30 --city Oslo", description: "Follow one city, starting at a time" },
    { command: "floe tail --stream readings --from 0", description: "Follow a stream of your own from its first event" }
  ]),
  Command.provide(Profile.layer("existingLog")),
  Command.provide(Profile.layer("streams"))
)
