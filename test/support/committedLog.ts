/** A data folder as the server and the sink leave it: a log, and the table that a sink process built from it. */
import { Effect, Layer } from "effect"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import type { WeatherRecord } from "../../services/Weather.ts"
import { start } from "./program.ts"

/** Appends the records and runs the sink until it has committed the whole log. */
export const commitLogged = Effect.fnUntraced(function* (root: string, records: ReadonlyArray<WeatherRecord>) {
  const append = Effect.gen(function* () {
    const log = yield* EventLog
    for (const some of Map.groupBy(records, ({ ts }) => ts).values()) yield* log.append({ records: some })
    const { partitions } = yield* (yield* EventLogReader).bounds
    return partitions[0]?.end ?? 0
  })
  const end = yield* append.pipe(Effect.provide(EventLogLayer.layer.pipe(Layer.provide(at(root)))))
  const program = yield* start("sink", { FLOE_DATA: root })
  yield* Effect.promise(() => program.printed(new RegExp(`up to weather/0/${end - 1} `)))
  program.signal("SIGTERM")
  yield* Effect.promise(() => program.ended)
}, Effect.scoped)
