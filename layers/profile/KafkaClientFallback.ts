/** Replace the log, its streams, the topics, the dead letters and the sink's commits if the native Kafka client is missing: each call fails and names it. */
import { Effect, Layer, Stream } from "effect"
import { DeadLetters, DeadLettersUnavailable } from "../../services/DeadLetters.ts"
import { EventLogReader, LogUnavailable } from "../../services/EventLog.ts"
import { SinkCommits, SinkCommitsUnavailable } from "../../services/SinkCommits.ts"
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import { Topics, TopicsUnavailable } from "../../services/Topics.ts"
import { weatherStream } from "../../services/Weather.ts"
import { recognizing } from "../ingest/checker/LoggedEvents.ts"
import type { KafkaClientMissing } from "../log/kafka/client.ts"
import * as DeadLettersLayer from "../log/kafka/DeadLetters.ts"
import * as EventLogReaderLayer from "../log/kafka/EventLogReader.ts"
import * as StreamsLayer from "../log/kafka/Streams.ts"
import * as TopicsLayer from "../log/kafka/Topics.ts"
import * as SinkCommitsLayer from "../sink/connect/SinkCommits.ts"

const reasonOf = ({ message }: KafkaClientMissing) => message.replace(/\.$/, "")

export const streams = StreamsLayer.layer.pipe(
  Layer.catchTag("KafkaClientMissing", (cause) => {
    const missing = Effect.fail(LogUnavailable.because("streams", reasonOf(cause), cause))
    return Layer.succeed(
      Streams,
      Streams.of({
        all: missing,
        find: (name) => (name === weather ? Effect.succeed(weatherStream) : missing),
        history: (name) => (name === weather ? Effect.succeed([weatherStream]) : missing),
        pending: missing,
        begin: () => missing,
        withdraw: () => missing,
        record: () => missing,
        processors: missing,
        recordProcessor: () => missing,
        paused: missing,
        setPaused: () => missing,
        generations: missing,
        setGeneration: () => missing,
        rebuild: missing,
        setRebuild: () => missing
      })
    )
  })
)

export const logReader = EventLogReaderLayer.layer(recognizing).pipe(
  Layer.catchTag("KafkaClientMissing", (cause) => {
    const missing = (operation: string) => Effect.fail(LogUnavailable.because(operation, reasonOf(cause), cause))
    const reader = {
      bounds: missing("bounds"),
      read: () => Stream.fromEffect(missing("read")),
      firstAt: () => missing("firstAt")
    }
    return Layer.succeed(EventLogReader, EventLogReader.of({ ...reader, of: () => reader }))
  }),
  Layer.provide(streams)
)

export const topics = TopicsLayer.layer.pipe(
  Layer.catchTag("KafkaClientMissing", (cause) => {
    const missing = (operation: string) =>
      Effect.fail(new TopicsUnavailable({ operation, reason: reasonOf(cause), cause }))
    return Layer.succeed(
      Topics,
      Topics.of({
        create: () => missing("create"),
        begin: () => missing("begin"),
        describe: () => missing("describe"),
        retention: () => missing("retention"),
        remove: () => missing("remove"),
        disks: missing("disks"),
        list: missing("list")
      })
    )
  })
)

export const sinkCommits = SinkCommitsLayer.layer.pipe(
  Layer.catchTag("KafkaClientMissing", (cause) =>
    Layer.succeed(
      SinkCommits,
      SinkCommits.of({ positions: () => Effect.fail(new SinkCommitsUnavailable({ reason: reasonOf(cause), cause })) })
    )
  ),
  Layer.provide(streams)
)

export const deadLetters = DeadLettersLayer.layer.pipe(
  Layer.catchTag("KafkaClientMissing", (cause) => {
    const missing = (operation: string) =>
      Effect.fail(new DeadLettersUnavailable({ operation, reason: reasonOf(cause), cause }))
    return Layer.succeed(
      DeadLetters,
      DeadLetters.of({ now: () => missing("read"), remember: () => missing("remember") })
    )
  }),
  Layer.provide(streams)
)
