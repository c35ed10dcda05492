/** `npm run bench backlog [events] [partitions]`: how fast the sink takes in a log that is ahead of it, and in how much memory. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Effect, Layer, Option } from "effect"
import * as DataFolder from "../layers/embedded/DataFolder.ts"
import { readTable } from "../layers/iceberg/TableReader.ts"
import * as SqliteEventLog from "../layers/sqlite/EventLog.ts"
import { EventLog } from "../services/EventLog.ts"
import { hourOf } from "../services/Weather.ts"
import { describe } from "./machine.ts"
import { rounded, start, stop, temporaryFolder } from "./programs.ts"

const events = Number(process.argv[3] ?? 2_000_000)
const partitions = Number(process.argv[4] ?? 20)
const folder = temporaryFolder()
const data = join(folder, "data")
console.log(describe(folder))

const hour = (n: number) => hourOf(Date.UTC(2026, 0, 1) + n * 3_600_000)
const perAppend = 10_000
const fill = Effect.gen(function* () {
  const log = yield* EventLog
  for (let first = 0; first < events; first += perAppend) {
    const ts = hour(Math.floor((first / events) * partitions))
    const records = Array.from({ length: Math.min(perAppend, events - first) }, (_, i) => ({
      city: `North Sharonstad ${(first + i) % 5000}`,
      temperature: (((first + i) % 12_000) / 100).toFixed(2),
      ts
    }))
    yield* log.append({ records })
  }
})
await Effect.runPromise(fill.pipe(Effect.provide(SqliteEventLog.layer.pipe(Layer.provide(DataFolder.at(data))))))

/** The most memory that the process has had, in MiB. */
const peak = (pid: number) =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024

const table = join(data, "warehouse", "default", "weather")
const offset = () =>
  Effect.runPromise(
    readTable(table).pipe(
      Effect.map(Option.match({ onNone: () => 0, onSome: (_) => _.progress.offset })),
      Effect.orElseSucceed(() => 0)
    )
  )

const started = performance.now()
const sink = start("dist/sink.js", [], { FLOE_DATA: data })
while ((await offset()) < events) await delay(20)
const seconds = (performance.now() - started) / 1000
console.log(
  `sink, ${rounded(events)} events over ${partitions} partitions: ${seconds.toFixed(1)} s from its start, ` +
    `${rounded(events / seconds)} rows/s, at most ${Math.round(peak(sink.pid ?? 0))} MiB`
)
await stop(sink)
