/** The last step of the clock that a program noticed, in a file of the data folder: for doctor, which sees only now. */
import { readFile, rename, writeFile } from "node:fs/promises"
import { Effect, Layer, type Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import * as WatchClock from "./watchClock.ts"

const Step = Schema.fromJsonString(Schema.Struct({ at: Schema.Finite, by: Schema.Finite }))

/** Logs each step and keeps the last one; where it cannot be written, it is only logged. */
export const layer = Layer.unwrap(
  Effect.map(DataFolder, ({ clockStep }) =>
    WatchClock.logging((step) =>
      Effect.gen(function* () {
        const text = yield* Schema.encodeEffect(Step)(step)
        const draft = `${clockStep}.${process.pid}.tmp`
        yield* Effect.tryPromise(() => writeFile(draft, `${text}\n`))
        yield* Effect.tryPromise(() => rename(draft, clockStep))
      }).pipe(Effect.ignore)
    )
  )
)

/** None if no program has noticed one, or what is there cannot be read. */
export const last = ({ clockStep }: DataFolder["Service"]): Effect.Effect<Option.Option<WatchClock.ClockStep>> =>
  Effect.tryPromise(() => readFile(clockStep, "utf8")).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Step)),
    Effect.option
  )
