import { Effect, Layer } from "effect"
import { TableWriters } from "../../layers/table/iceberg/TableWriter.ts"
import { Streams } from "../../services/Streams.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import { weatherStream } from "../../services/Weather.ts"

/** For what reads no other stream than weather. */
export const weatherOnly = Layer.mock(Streams, {
  all: Effect.succeed([weatherStream]),
  find: () => Effect.succeed(weatherStream)
})

/** For a sink that writes weather alone, through the given writer. */
export const weatherWriter = Layer.effect(
  TableWriters,
  Effect.map(TableWriter, (writer) => TableWriters.of({ open: () => Effect.succeed(writer) }))
)
