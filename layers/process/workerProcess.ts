/** Starts the process that runs processors, and says how it ended. */
import { type ChildProcess, fork } from "node:child_process"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { findPackageJSON } from "node:module"
import { dirname, join } from "node:path"
import { Effect, Option, Schema } from "effect"
import { longestCall } from "./Beat.ts"
import { HungReport, hungFile, WorkerOptions } from "./workerProtocol.ts"

const megabytes = 512
/** Without the two others, V8 lets the heap grow by 300 MiB of garbage in a rebuild of 10 M events. */
const flags = [`--max-old-space-size=${megabytes}`, "--heap-growing-percent=30", "--max-semi-space-size=16"]

const root = dirname(findPackageJSON(import.meta.url) ?? import.meta.filename)
/** A build bundles this file, so the worker's place is counted from the package. */
const worker = import.meta.filename.endsWith(".ts")
  ? join(import.meta.dirname, "processorWorker.ts")
  : join(root, "dist", "streams", "processorWorker.js")

export const start = (options: WorkerOptions) =>
  fork(worker, [Schema.encodeSync(WorkerOptions)(options)], {
    execArgv: flags,
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })

/** Waits for its end; its exit code, or the signal that ended it. */
export const ended = (child: ChildProcess) =>
  Effect.callback<number | NodeJS.Signals>((resume) => {
    if (child.exitCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("error", () => resume(Effect.succeed(1)))
    child.once("exit", (code, signal) => resume(Effect.succeed(code ?? signal ?? 1)))
    return Effect.void
  })

const decodeHung = Schema.decodeUnknownOption(HungReport)

/** The processor whose function did not return, if that ended the process; `reason` is a sentence. Forgets it. */
export const takeHung = (folder: string) => {
  const path = join(folder, hungFile)
  if (!existsSync(path)) return undefined
  const report = Option.getOrUndefined(decodeHung(readFileSync(path, "utf8")))
  rmSync(path, { force: true })
  if (report === undefined) return undefined
  const { at, processor } = report
  return {
    processor,
    reason: `The processor ${processor} stopped at ${at}: a function of it did not return within ${longestCall / 1_000} seconds. Correct it and start again.`
  }
}
