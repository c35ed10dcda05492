/** Writes a log of synthetic events, and measures the memory of a process that reads it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Effect, Layer, Option } from "effect"
import * as SqliteEventLog from "../layers/log/sqlite/EventLog.ts"
import * as DataFolder from "../layers/runtime/DataFolder.ts"
import { EventLog } from "../services/EventLog.ts"
import { hourOf } from "../services/Weather.ts"
import { readTable } from "../test/support/readTable.ts"

const perAppend = 10_000
const hour = (n: number) => hourOf(Date.UTC(2026, 0, 1) + n * 3_600_000)

/** Writes `events` events to the log of a data folder, spread over `partitions` hours. */
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

/** Waits until this many events of the log are in the table of a data folder. */
export const takenIn = async (data: string, events: number) => {
  const offset = readTable(join(data, "warehouse", "default", "weather")).pipe(
    Effect.map(Option.match({ onNone: () => 0, onSome: (_) => _.progress?.offset ?? 0 })),
    Effect.orElseSucceed(() => 0)
  )
  while ((await Effect.runPromise(offset)) < events) await delay(20)
}

/** Peak memory of the process in MiB; 0 if it has exited. */
export const peak = (pid: number) => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
