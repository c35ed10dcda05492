/** The streams of Kafka's log: weather alone. */
import { Effect, Layer } from "effect"
import { NoSuchStream, Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { onlyWeather } from "./onlyWeather.ts"

const { name: weather } = weatherStream.definition

export const layer = Layer.succeed(
  Streams,
  Streams.of({
    all: Effect.succeed([weatherStream]),
    find: (name) =>
      name === weather ? Effect.succeed(weatherStream) : Effect.fail(new NoSuchStream({ name, nearest: null })),
    history: (name) => Effect.succeed(name === weather ? [weatherStream] : []),
    begin: ({ definition: { name } }) => Effect.fail(onlyWeather("streams", name)),
    pending: Effect.succeed([]),
    record: ({ definition: { name } }) => Effect.fail(onlyWeather("streams", name))
  })
)
