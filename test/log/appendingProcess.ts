/**
 * Appends to the log of a data folder forever, a record at a time in each of so many fibers, and reports on standard
 * output what became of each: `ok <offset> <city>`, `rejected <city>`, and after a rejection `ready` or `unready`.
 */
import { writeSync } from "node:fs"
import { Effect, Layer } from "effect"
import { layer } from "../../layers/log/sqlite/EventLog.ts"
import { at } from "../../layers/runtime/DataFolder.ts"
import { EventLog } from "../../services/EventLog.ts"

const [folder = "", fibers = "1"] = process.argv.slice(2)
const print = (line: string) => Effect.sync(() => writeSync(1, `${line}\n`))

const append = Effect.fnUntraced(function* (city: string) {
  const log = yield* EventLog
  const records = [{ city, temperature: "72.50", ts: "2026-01-08-14" }]
  yield* log.append({ records, idempotency: { key: city, digest: city } }).pipe(
    Effect.flatMap(({ positions }) => print(`ok ${positions[0]?.offset} ${city}`)),
    Effect.catch(() =>
      print(`rejected ${city}`).pipe(
        Effect.andThen(log.ready),
        Effect.matchEffect({ onSuccess: () => print("ready"), onFailure: () => print("unready") }),
        Effect.delay("2 millis")
      )
    )
  )
})

const worker = (name: number) => {
  let count = 0
  return Effect.forever(Effect.suspend(() => append(`City-${name}-${count++}`)))
}

Effect.forEach(
  Array.from({ length: Number(fibers) }, (_, i) => i),
  worker,
  { concurrency: "unbounded" }
).pipe(Effect.provide(layer.pipe(Layer.provide(at(folder)))), Effect.runFork)
