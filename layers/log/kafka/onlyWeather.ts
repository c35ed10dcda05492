/** Kafka's log has weather alone: what of another stream is asked for fails with a sentence. */
import { Effect, Stream } from "effect"
import { type LogReader, LogUnavailable } from "../../../services/EventLog.ts"

export const onlyWeather = (operation: string, stream: string) =>
  LogUnavailable.because(
    operation,
    `the distributed profile has no stream ${stream}, only weather; use the embedded profile (FLOE_PROFILE=embedded) for streams of your own`
  )

/** A stream's reader: weather's, or one that fails. */
export const readerOf =
  (weather: LogReader) =>
  (stream: string): LogReader =>
    stream === "weather"
      ? weather
      : {
          bounds: Effect.fail(onlyWeather("bounds", stream)),
          read: () => Stream.fail(onlyWeather("read", stream)),
          firstAt: () => Effect.fail(onlyWeather("firstAt", stream))
        }
