/**
 * `npm run bench rebuild [events]`: time and memory that `floe processor rebuild` takes for the rows of a typed log, with
 * their table.
 */
import type { ChildProcess } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fillTypedLog, peak, processed } from "./log.ts"
import { describe } from "./machine.ts"
import { childrenOf, finished, freePort, printed, rounded, start, stop, temporaryFolder } from "./programs.ts"

const events = Number(process.argv[3] ?? 10_000_000)
const folder = temporaryFolder()
const data = join(folder, "data")
console.log(describe(folder))

const module = join(folder, "floe.streams.ts")
writeFileSync(
  module,
  `import { Schema } from "effect"
import { Column, Partition, Processor, Stream, Window } from "floe"
export const Readings = Stream.make("readings", {
  schema: Schema.Struct({
    device: Column.uuid, at: Column.timestamptz, sequence: Column.long, status: Column.int, celsius: Schema.Finite,
    price: Schema.optionalKey(Column.decimal(12, 2)), site: Schema.String, tags: Schema.optionalKey(Schema.Array(Schema.String))
  }),
  key: "device", partitionBy: [Partition.day("at")]
})
export const SiteDays = Stream.make("site_days", {
  schema: Schema.Struct({ site: Schema.String, day: Column.timestamptz, readings: Column.int, mean: Schema.Finite })
})
export const SiteDay = Processor.window("site_days", {
  from: Readings, key: (r) => r.site, time: (r) => r.at, window: Window.tumbling("1 day"), ahead: "366 days",
  state: Schema.Struct({ n: Column.int, sum: Schema.Finite }), zero: { n: 0, sum: 0 },
  add: (s, r) => ({ n: s.n + 1, sum: s.sum + r.celsius }),
  to: SiteDays, emit: (site, w, s) => ({ site, day: w.start, readings: s.n, mean: s.sum / s.n })
})
`
)
const env = { FLOE_DATA: data, FLOE_STREAMS: module, FLOE_WEATHER_HOURLY: "false" }

await fillTypedLog(data, events, 30)
await finished("dist/admin.js", ["streams", "apply"], env)
const server = start("dist/standalone.js", [], { ...env, FLOE_INTERVAL: "1 hour", FLOE_PORT: String(await freePort()) })
await printed(server, /Floe runs at/)
await processed(data, "site_days", events)

/** Peaks in MiB of a process and those that it started, by process id. */
const peaks = (pid: number): ReadonlyArray<readonly [number, number]> => [
  [pid, peak(pid)],
  ...childrenOf(pid).flatMap(peaks)
]

const measured = async (command: ChildProcess) => {
  const started = performance.now()
  const most = new Map<number, number>()
  const watch = setInterval(() => {
    for (const [pid, mib] of peaks(command.pid ?? 0)) most.set(pid, Math.max(mib, most.get(pid) ?? 0))
  }, 50)
  command.stdout?.resume()
  const code = await new Promise((resolve) => command.on("exit", resolve))
  clearInterval(watch)
  return { seconds: (performance.now() - started) / 1000, code, most }
}

const { code, most, seconds } = await measured(start("dist/admin.js", ["processor", "rebuild", "site_days"], env))
console.log(
  `rebuild of a processor over ${rounded(events)} events: ${seconds.toFixed(1)} s with its start, exit code ${code}, ` +
    `at most ${[...most.values()].map(Math.round).join(" + ")} MiB (the command and its processes)`
)
await stop(server)
