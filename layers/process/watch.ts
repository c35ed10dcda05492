/** Starts the thread that ends this process when a function of a processor does not return, or fills the memory. */
import { findPackageJSON } from "node:module"
import { dirname, join } from "node:path"
import { Worker } from "node:worker_threads"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { Beat } from "./Beat.ts"
import { noteIn } from "./note.ts"
import { hungFile, memoryFile } from "./workerProtocol.ts"

const root = dirname(findPackageJSON(import.meta.url) ?? import.meta.filename)
/** A build bundles this file, so the thread's place is counted from the package. */
const thread = import.meta.filename.endsWith(".ts")
  ? join(import.meta.dirname, "watchThread.ts")
  : join(root, "dist", "streams", "watchThread.js")

/** Of a process that runs these processors, in this order; the thread leaves its report in the folder, and the beat notes there which one works. */
export const watch = (folder: string, definitions: ReadonlyArray<ProcessorDefinition>) => {
  const inputs = definitions.map(({ from, name }) => ({ processor: name, from }))
  const beat = new Beat(undefined, noteIn(folder, inputs))
  beat.rests()
  const files = { path: join(folder, hungFile), memoryPath: join(folder, memoryFile) }
  const worker = new Worker(thread, { workerData: { shared: beat.shared, ...files, inputs } })
  worker.unref()
  return beat
}
