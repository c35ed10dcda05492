/** A log of made-up events, and what a process uses while it reads one. */
import { readFileSync } from "node:fs"
import { Effect, Layer } from "effect"
import * as DataFolder from "../layers/embedded/DataFolder.ts"
import * as SqliteEventLog from "../layers/sqlite/EventLog.ts"
import { EventLog } from "../services/EventLog.ts"
import { hourOf } from "../services/Weather.ts"

const perAppend = 10_000
const hour = (n: number) => hourOf(Date.UTC(2026, 0, 1) + n * 3_600_000)

/** `events` events in the log of a data folder, in as many hours as `partitions` says. */
export const fillLog = (data: string, events: number, partitions: number) =>
  Effect.gen(function* () {
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
  }).pipe(Effect.provide(SqliteEventLog.layer.pipe(Layer.provide(DataFolder.at(data)))), Effect.runPromise)

/** The most memory that the process has had, in MiB; 0 if it has ended. */
export const peak = (pid: number) => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
