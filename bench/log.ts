/** Writes a log of synthetic events, and measures the memory of a process that reads it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as delay } from "node:timers/promises"
import { Effect, Layer, Option } from "effect"
import { firstVersion } from "../layers/declaration/assignIds.ts"
import * as SqliteEventLog from "../layers/log/sqlite/EventLog.ts"
import * as SqliteStreams from "../layers/log/sqlite/Streams.ts"
import * as DataFolder from "../layers/runtime/DataFolder.ts"
import { EventLog } from "../services/EventLog.ts"
import { Streams } from "../services/Streams.ts"
import { hourOf } from "../services/Weather.ts"
import { readTable } from "../test/support/readTable.ts"
import { readings } from "./readings.ts"

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

/** Applies the stream `readings` and writes `events` of its events to the log of a data folder, spread over `partitions` days. */
export const fillTypedLog = (data: string, events: number, partitions: number) =>
  Effect.gen(function* () {
    const log = yield* EventLog
    yield* (yield* Streams).record(firstVersion(readings, 0))
    for (let first = 0; first < events; first += perAppend) {
      const day = new Date(Date.UTC(2026, 0, 1 + Math.floor((first / events) * partitions))).toISOString().slice(0, 10)
      const records = Array.from({ length: Math.min(perAppend, events - first) }, (_, i) => line(first + i, day))
      yield* log.append({ stream: readings.name, schemaVersion: 1, records })
    }
  }).pipe(
    Effect.provide(
      SqliteStreams.layer.pipe(Layer.provideMerge(SqliteEventLog.layer), Layer.provide(DataFolder.at(data)))
    ),
    Effect.runPromise
  )

/** A reading in canonical form. */
const line = (n: number, day: string) => {
  const digits = (count: number) => String((n * 7919) % 10 ** count).padStart(count, "0")
  return `{"device":"8f14e45f-ceea-467f-9f0a-${digits(12)}","at":"${day}T10:11:${String(n % 60).padStart(2, "0")}.${digits(6)}Z","sequence":"${n}","status":${200 + (n % 300)},"celsius":${(n % 4000) / 10},"price":"${n % 1000}.${digits(2)}","site":"Station ${n % 500} in the north","tags":["outdoor","zone-${n % 7}"]}`
}

/** Waits until this many events of the log are in the table of a data folder. */
export const takenIn = async (data: string, events: number, table = "weather") => {
  const offset = readTable(join(data, "warehouse", "default", table)).pipe(
    Effect.map(Option.match({ onNone: () => 0, onSome: (_) => _.progress?.offset ?? 0 })),
    Effect.orElseSucceed(() => 0)
  )
  while ((await Effect.runPromise(offset)) < events) await delay(20)
}

/** How many events a processor has processed, by its file; 0 while there is none. */
const progressOf = (data: string, processor: string) => {
  try {
    const database = new DatabaseSync(join(data, "processors", `${processor}.db`), { readOnly: true })
    try {
      return Number(database.prepare("SELECT next FROM progress").get()?.next ?? 0)
    } finally {
      database.close()
    }
  } catch {
    return 0
  }
}

/** Waits until a processor has processed this many events. */
export const processed = async (data: string, processor: string, events: number) => {
  while (progressOf(data, processor) < events) await delay(10)
}

/** Peak memory of the process in MiB; 0 if it has exited. */
export const peak = (pid: number) => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
