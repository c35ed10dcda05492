/** A thread that ends its process when a function of a processor does not return: nothing else could run then. */
import { writeFileSync } from "node:fs"
import { workerData } from "node:worker_threads"
import { Schema } from "effect"
import { Beat, longestCall } from "./Beat.ts"
import { HungReport } from "./workerProtocol.ts"

const everyMillis = 500

const { inputs, path, shared } = Schema.decodeUnknownSync(
  Schema.Struct({
    shared: Schema.declare((value): value is SharedArrayBuffer => value instanceof SharedArrayBuffer),
    path: Schema.String,
    inputs: Schema.Array(Schema.Struct({ processor: Schema.String, from: Schema.String }))
  })
)(workerData)

const beat = new Beat(shared)
let last = -1
// Counted by its own turns: a process that was suspended has not taken that long.
let quiet = 0

setInterval(() => {
  const { count, isBusy, offset, partition, slot } = beat.read()
  if (!isBusy || count !== last) {
    last = count
    quiet = 0
    return
  }
  if (++quiet * everyMillis < longestCall) return
  const { from = "", processor = "" } = inputs[slot] ?? {}
  writeFileSync(path, Schema.encodeSync(HungReport)({ processor, at: `${from}/${partition}/${offset}` }))
  process.kill(process.pid, "SIGKILL")
}, everyMillis)
