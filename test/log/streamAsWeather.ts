/** A stream of the log as if it was weather, so that one contract suite judges both. */
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Option, Stream } from "effect"
import {
  type Append,
  EventLog,
  EventLogReader,
  type LoggedEvent,
  type LogReader,
  type Position
} from "../../services/EventLog.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { type WeatherRecord, weatherStream } from "../../services/Weather.ts"

const encode = (record: WeatherRecord | string) =>
  typeof record === "string"
    ? record
    : JSON.stringify({ city: record.city, temperature: record.temperature, ts: record.ts })

const tsOf = (record: WeatherRecord | string | undefined) => (typeof record === "object" ? record.ts : undefined)

const decode = (event: LoggedEvent<WeatherRecord | string>): LoggedEvent => {
  assert.isString(event.record)
  const { city, temperature, ts } = JSON.parse(String(event.record))
  return { ...event, record: { city, temperature, ts } }
}

/** The definition of such a stream: weather's columns. */
export const likeWeather = (name: string): AppliedStream => ({
  ...weatherStream,
  definition: { ...weatherStream.definition, name, key: "city", partitionBy: [] }
})

export const streamAsWeather = <E>(stream: string, log: Layer.Layer<EventLog | EventLogReader, E>) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { append, ...log } = yield* EventLog
      const events = (yield* EventLogReader).of(stream)
      const read: LogReader<WeatherRecord>["read"] = (from, options) => Stream.map(events.read(from, options), decode)
      const hourAt = (position: Position) =>
        read(position, { until: "end" }).pipe(
          Stream.runHead,
          Effect.map((event) => Option.getOrUndefined(event)?.record.ts),
          Effect.orDie
        )
      const appended = ({ idempotency, records }: Append) =>
        append({ stream, schemaVersion: 1, records: records.map(encode), idempotency }).pipe(
          Effect.tap(({ ts }) => Effect.sync(() => assert.isUndefined(ts))),
          Effect.flatMap((result) => {
            const first = result.positions[0] ?? { partition: 0, offset: 0 }
            const hour = result.repeated ? hourAt(first) : Effect.succeed(tsOf(records[0]))
            return Effect.map(hour, (ts) => ({ ...result, ts }))
          })
        )
      return Context.make(EventLog, EventLog.of({ ...log, append: appended })).pipe(
        Context.add(EventLogReader, EventLogReader.of({ ...events, read, of: () => assert.fail("one stream only") }))
      )
    })
  ).pipe(Layer.provide(log))
