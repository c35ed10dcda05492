/** A thread that ends its process when a function of a processor does not return, or fills the memory: nothing else could. */
import { writeFileSync, writeSync } from "node:fs"
import { workerData } from "node:worker_threads"
import { Schema } from "effect"
import { Beat, longestCall } from "./Beat.ts"
import { positionOf } from "./note.ts"
import { HungReport, mostMemory, WorkingReport } from "./workerProtocol.ts"

const everyMillis = 500
/** A function can fill some hundred MiB in that time. */
const memoryMillis = 50

const { inputs, memoryPath, path, shared } = Schema.decodeUnknownSync(
  Schema.Struct({
    shared: Schema.declare((value): value is SharedArrayBuffer => value instanceof SharedArrayBuffer),
    path: Schema.String,
    memoryPath: Schema.String,
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
  writeFileSync(path, Schema.encodeSync(HungReport)({ processor, at: positionOf(from, partition, offset) }))
  process.kill(process.pid, "SIGKILL")
}, everyMillis)

// The heap is bounded by V8; buffers are beside it.
setInterval(() => {
  const memory = process.memoryUsage.rss()
  if (memory <= mostMemory) return
  const { offset, partition, slot } = beat.read()
  const working = inputs[slot]
  if (working === undefined) {
    const [used, most] = [memory, mostMemory].map((bytes) => Math.round(bytes / 1024 / 1024))
    writeSync(
      2,
      `The processors used ${used} MiB of memory while none of them was at work; at most ${most} are allowed.\n`
    )
  } else {
    const { from, processor } = working
    const at = positionOf(from, partition, offset)
    writeFileSync(memoryPath, Schema.encodeSync(WorkingReport)({ processor, at, memory }))
  }
  process.kill(process.pid, "SIGKILL")
}, memoryMillis)
