/** Keeps the last clock step in a file of the data folder, for `floe doctor`. */
import { readFile, rename, writeFile } from "node:fs/promises"
import { Effect, Layer, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import * as WatchClock from "./watchClock.ts"

const Step = Schema.fromJsonString(Schema.Struct({ at: Schema.Finite, by: Schema.Finite }))

/** Logs each clock step and writes it to the file, if the file can be written. */
export const layer = Layer.unwrap(
  Effect.map(DataFolder, ({ clockStep }) =>
    WatchClock.logging((step) =>
      Effect.gen(function* () {
        const text = yield* Schema.encodeEffect(Step)(step)
        const temporary = `${clockStep}.${process.pid}.tmp`
        yield* Effect.tryPromise(() => writeFile(temporary, `${text}\n`))
        yield* Effect.tryPromise(() => rename(temporary, clockStep))
      }).pipe(Effect.ignore)
    )
  )
)

/** None if no step was noticed or the file is unreadable. */
export const last = Effect.flatMap(DataFolder, ({ clockStep }) =>
  Effect.tryPromise(() => readFile(clockStep, "utf8")).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Step)),
    Effect.option
  )
)
