import { Effect, Layer } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Streams } from "../../../services/Streams.ts"
import * as StreamsLayer from "../../log/sqlite/Streams.ts"

/** The applied streams of a data folder. */
export const appliedIn = (folder: DataFolder["Service"]) =>
  Effect.flatMap(Streams, ({ all }) => all).pipe(
    Effect.provide(Layer.fresh(StreamsLayer.layer).pipe(Layer.provide(Layer.succeed(DataFolder, folder))))
  )
