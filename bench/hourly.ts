/**
 * `npm run bench hourly [cities]`: weather_hourly over as many new cities in one hour, in time and memory; how soon the
 * program goes on after kill -9 with 100,000 open windows; and GET /log with it and without it, in turn.
 */
import type { ChildProcess } from "node:child_process"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Effect, Layer } from "effect"
import * as SqliteEventLog from "../layers/log/sqlite/EventLog.ts"
import * as DataFolder from "../layers/runtime/DataFolder.ts"
import { EventLog } from "../services/EventLog.ts"
import { hourOf } from "../services/Weather.ts"
import { run } from "./load.ts"
import { peak, processed } from "./log.ts"
import { describe } from "./machine.ts"
import { answering, childrenOf, freePort, median, rounded, start, stop, temporaryFolder } from "./programs.ts"

const cities = Number(process.argv[3] ?? 1_000_000)
const windows = 100_000
const perAppend = 10_000
const hour = hourOf(Date.UTC(2026, 0, 1, 10))

const folder = temporaryFolder()
console.log(describe(folder))

const server = async (data: string) => {
  const port = await freePort()
  const child = start("dist/server.js", [], { FLOE_PORT: String(port), FLOE_DATA: data })
  await answering(port, "/ready")
  return { child, port }
}

/** Appends weather of cities that no other event has. */
const fill = (data: string, from: number, count: number) =>
  Effect.gen(function* () {
    const log = yield* EventLog
    for (let first = from; first < from + count; first += perAppend) {
      const records = Array.from({ length: Math.min(perAppend, from + count - first) }, (_, i) => ({
        city: `North Sharonstad ${(first + i) * 7919}`,
        temperature: (((first + i) % 12_000) / 100).toFixed(2),
        ts: hour
      }))
      yield* log.append({ records })
    }
  }).pipe(Effect.provide(SqliteEventLog.layer.pipe(Layer.provide(DataFolder.at(data)))), Effect.runPromise)

const kill = async (child: ChildProcess) => {
  const workers = childrenOf(child.pid ?? 0)
  const ended = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGKILL")
  for (const worker of workers) process.kill(worker, "SIGKILL")
  await ended
}

/** Seconds from the start of the program until it has processed these events, and the peak of its process in MiB. */
const timed = async (data: string, events: number) => {
  const started = performance.now()
  const child = start("dist/processor.js", [], { FLOE_DATA: data })
  await processed(data, "weather_hourly", events)
  return {
    child,
    seconds: (performance.now() - started) / 1000,
    mib: Math.max(...childrenOf(child.pid ?? 0).map(peak))
  }
}

const many = join(folder, "many")
const restarted = join(folder, "restarted")
// The server applies the streams of weather_hourly when it starts.
for (const data of [many, restarted]) await stop((await server(data)).child)
await fill(many, 0, cities)
const first = await timed(many, cities)
console.log(
  `weather_hourly, ${rounded(cities)} cities in one hour: ${first.seconds.toFixed(1)} s with its start, ` +
    `${rounded(cities / first.seconds)} events/s, at most ${Math.round(first.mib)} MiB`
)
await stop(first.child)

await fill(restarted, 0, windows)
await kill((await timed(restarted, windows)).child)
await fill(restarted, windows, 1)
const again = await timed(restarted, windows + 1)
console.log(
  `start after kill -9 with ${rounded(windows)} open windows, until the next event is processed: ${again.seconds.toFixed(2)} s`
)
await stop(again.child)
const request = Buffer.from("GET /log?city=North%20Sharonstad&temperature=80.59 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
const door = await server(join(folder, "door"))
const rates = { without: [] as Array<number>, with: [] as Array<number> }
for (let round = 0; round < 6; round++) {
  const name = round % 2 === 0 ? "without" : "with"
  const processor = name === "with" ? start("dist/processor.js", [], { FLOE_DATA: join(folder, "door") }) : undefined
  // It first catches up with the round before.
  if (processor !== undefined) await delay(8_000)
  const result = await run({ port: door.port, connections: 64, seconds: 8, warmUpSeconds: 2, request: () => request })
  rates[name].push(result.perSecond)
  if (processor !== undefined) await stop(processor)
}
const [on, off] = [median(rates.with), median(rates.without)]
console.log(
  `GET /log, 64 connections, with weather_hourly ${rounded(on)} and without ${rounded(off)} req/s: ${(on / off).toFixed(2)}`
)
await stop(door.child)
