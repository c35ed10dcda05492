/** `npm run bench typed [events] [partitions]`: how fast the sink catches up with a stream of 8 typed columns, and in how much memory. */
import { join } from "node:path"
import { fillTypedLog, peak, takenIn } from "./log.ts"
import { describe } from "./machine.ts"
import { rounded, start, stop, temporaryFolder } from "./programs.ts"
import { readings } from "./readings.ts"

const events = Number(process.argv[3] ?? 5_000_000)
const partitions = Number(process.argv[4] ?? 30)
const folder = temporaryFolder()
const data = join(folder, "data")
console.log(describe(folder))

await fillTypedLog(data, events, partitions)

const started = performance.now()
const sink = start("dist/sink.js", [], { FLOE_DATA: data })
await takenIn(data, events, readings.name)
const seconds = (performance.now() - started) / 1000
console.log(
  `sink, ${rounded(events)} typed events over ${partitions} partitions: ${seconds.toFixed(1)} s from its start, ` +
    `${rounded(events / seconds)} rows/s, at most ${Math.round(peak(sink.pid ?? 0))} MiB`
)
await stop(sink)
