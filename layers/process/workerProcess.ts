/** Starts the process that runs processors, and says how it ended. */
import { type ChildProcess, fork } from "node:child_process"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { findPackageJSON } from "node:module"
import { dirname, join } from "node:path"
import { Effect, Option, Schema } from "effect"
import { longestCall } from "./Beat.ts"
import {
  HungReport,
  heapMegabytes,
  hungFile,
  memoryFile,
  mostMemory,
  WorkerOptions,
  WorkingReport,
  workingFile
} from "./workerProtocol.ts"

/** Without the two others, V8 lets the heap grow by 300 MiB of garbage in a rebuild of 10 M events. */
const flags = [`--max-old-space-size=${heapMegabytes}`, "--heap-growing-percent=30", "--max-semi-space-size=16"]

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

const decodeWorking = Schema.decodeUnknownOption(WorkingReport)

const takeReport = (path: string) => {
  if (!existsSync(path)) return undefined
  const text = readFileSync(path, "utf8")
  rmSync(path, { force: true })
  return Option.getOrUndefined(decodeWorking(text))
}

/** A processor at work when the process ended, and why: a clause. */
export interface Culprit {
  readonly processor: string
  readonly at: string
  readonly how: string
}

const mebibytes = (bytes: number) => Math.round(bytes / 1024 / 1024)

const howEnded = (outcome: number | NodeJS.Signals) => {
  if (typeof outcome === "number") return `exit code ${outcome}`
  return outcome === "SIGABRT" ? `SIGABRT: most often the ${heapMegabytes} MiB of its heap are full` : outcome
}

/** The processor that ended the process; undefined if none was at work, or the end came from outside. Forgets it. */
export const takeCulprit = (folder: string, outcome: number | NodeJS.Signals): Culprit | undefined => {
  const working = takeReport(join(folder, workingFile))
  const tooMuch = takeReport(join(folder, memoryFile))
  if (tooMuch?.memory !== undefined) {
    const { at, memory, processor } = tooMuch
    return { processor, at, how: `${mebibytes(memory)} MiB of memory; at most ${mebibytes(mostMemory)} are allowed` }
  }
  if (working === undefined || outcome === "SIGKILL") return undefined
  return { ...working, how: howEnded(outcome) }
}
