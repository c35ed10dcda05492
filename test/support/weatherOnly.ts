import { Effect, Layer } from "effect"
import { TableWriters } from "../../layers/table/iceberg/TableWriter.ts"
import { Streams } from "../../services/Streams.ts"
import { weatherStream } from "../../services/Weather.ts"

/** For a sink that writes no other stream than weather. */
export const weatherOnly = Layer.merge(
  Layer.mock(Streams, { all: Effect.succeed([weatherStream]), find: () => Effect.succeed(weatherStream) }),
  Layer.mock(TableWriters, {})
)
