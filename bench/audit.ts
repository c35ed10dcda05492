/** `npm run bench audit [events] [partitions]`: time and memory that `floe audit` takes for a log and its table. */
import { join } from "node:path"
import { fillLog, peak, takenIn } from "./log.ts"
import { describe } from "./machine.ts"
import { rounded, start, stop, temporaryFolder } from "./programs.ts"

const events = Number(process.argv[3] ?? 1_000_000)
const partitions = Number(process.argv[4] ?? 20)
const folder = temporaryFolder()
const data = join(folder, "data")
console.log(describe(folder))
await fillLog(data, events, partitions)

const sink = start("dist/sink.js", [], { FLOE_DATA: data })
await takenIn(data, events)
await stop(sink)

const started = performance.now()
const audit = start("dist/admin.js", ["audit", "--json"], { FLOE_DATA: data })
let most = 0
const watch = setInterval(() => (most = Math.max(most, peak(audit.pid ?? 0))), 20)
audit.stdout?.resume()
const code = await new Promise((resolve) => audit.on("exit", resolve))
clearInterval(watch)
const seconds = (performance.now() - started) / 1000
console.log(
  `audit, ${rounded(events)} events over ${partitions} hours: ${seconds.toFixed(1)} s with its start, exit code ${code}, at most ${Math.round(most)} MiB`
)
