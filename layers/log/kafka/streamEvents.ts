/** Reads the messages of a stream's topic as its events. */
import { isUtf8 } from "node:buffer"
import type { Message } from "@confluentinc/kafka-javascript"
import { Effect, Schedule } from "effect"
import type { LogCorrupt, LoggedEvent, LogUnavailable } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import type { Streams } from "../../../services/Streams.ts"
import { monotonic } from "../../runtime/elapsed.ts"
import { versionOf } from "./eventRecords.ts"

/** Recognizes the events of a stream, and gives their canonical text and version; undefined for what another program wrote. */
export type Recognizing = (
  history: ReadonlyArray<AppliedStream>
) => (
  text: string,
  version: number | undefined
) => { readonly record: string; readonly schemaVersion: number } | undefined

/** An event of a new version may be read before the version is. */
const versionWait = Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "3 seconds" }), monotonic)

/** A function from messages to those of them that are events of the stream. */
export const make = (stream: string, streams: Streams["Service"], recognizing: Recognizing) => {
  let history: ReadonlyArray<AppliedStream> = []
  let recognize = recognizing(history)

  const known = Effect.map(streams.history(stream), (now) => {
    if (now.length !== history.length || now.at(-1)?.appliedAt !== history.at(-1)?.appliedAt) {
      history = now
      recognize = recognizing(history)
    }
  })

  const eventOf = (message: Message): ReadonlyArray<LoggedEvent<string>> => {
    const { partition, offset, timestamp, value } = message
    if (value === null || !isUtf8(value)) return []
    const found = recognize(value.toString(), versionOf(message))
    return found === undefined ? [] : [{ position: { partition, offset }, ...found, acceptedAt: timestamp ?? 0 }]
  }

  return (
    messages: ReadonlyArray<Message>
  ): Effect.Effect<ReadonlyArray<LoggedEvent<string>>, LogUnavailable | LogCorrupt> => {
    const newest = messages.reduce((version, message) => Math.max(version, versionOf(message) ?? 1), 1)
    return known.pipe(
      Effect.repeat({ until: () => (history.at(-1)?.version ?? 0) >= newest, schedule: versionWait }),
      Effect.map(() => messages.flatMap(eventOf))
    )
  }
}
