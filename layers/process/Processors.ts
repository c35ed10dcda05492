/**
 * The processors of the embedded profile, in a process of their own for as long as the layer lives.
 * Owns: starting and ending that process. Does not own: what it does (runProcessors).
 */
import { type ChildProcess, fork } from "node:child_process"
import { findPackageJSON } from "node:module"
import { dirname, join, resolve } from "node:path"
import { Deferred, Effect, Fiber, Layer, Option } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import * as Settings from "../../services/Settings.ts"
import * as Declaration from "../declaration/Declaration.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import { nothingToRun } from "./workerProtocol.ts"

const megabytes = 512

const root = dirname(findPackageJSON(import.meta.url) ?? import.meta.filename)
/** A build bundles this file, so the worker's place is counted from the package. */
const worker = import.meta.filename.endsWith(".ts")
  ? join(import.meta.dirname, "processorWorker.ts")
  : join(root, "dist", "streams", "processorWorker.js")

/** A program has 5 seconds to end, and the sink commits after this. */
const drainTimeout = "2500 millis"
const longestPause = 30_000

const start = (args: ReadonlyArray<string>) =>
  fork(worker, args, {
    execArgv: [`--max-old-space-size=${megabytes}`],
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })

/** Waits for its end; its exit code, or the signal that ended it. */
const ended = (child: ChildProcess) =>
  Effect.callback<number | NodeJS.Signals>((resume) => {
    if (child.exitCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("error", () => resume(Effect.succeed(1)))
    child.once("exit", (code, signal) => resume(Effect.succeed(code ?? signal ?? 1)))
    return Effect.void
  })

const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, stopping: Deferred.Deferred<void>) {
  for (let pause = 1_000; ; pause = Math.min(longestPause, 2 * pause)) {
    const child = start(args)
    const drain = Effect.andThen(
      Effect.sync(() => void (child.connected && child.send("drain"))),
      Effect.timeoutOption(ended(child), drainTimeout)
    )
    const drained = Effect.andThen(Deferred.await(stopping), drain)
    const outcome = yield* Effect.onExit(Effect.raceFirst(Effect.map(ended(child), Option.some), drained), () =>
      Effect.sync(() => void child.kill("SIGKILL"))
    )
    if (Option.isNone(outcome))
      return yield* Effect.logWarning("The processors did not finish in time; the next start goes on where they were.")
    if (outcome.value === 0 || outcome.value === nothingToRun) return
    yield* Effect.logWarning(
      `The process that runs the processors ended (${outcome.value}); it starts again in ${pause / 1000} s and goes on where it was.`
    )
    if (Option.isSome(yield* Effect.timeoutOption(Deferred.await(stopping), pause))) return
  }
})

/** The module to run, if it is one. */
const moduleOf = Effect.fnUntraced(function* (file: string) {
  if (!Declaration.isCompiled(file)) return resolve(file)
  const { processors = [] } = yield* Declaration.read(file)
  if (processors.length > 0) {
    yield* Effect.logWarning(
      `${file} declares processors, whose functions are in the module alone; set FLOE_STREAMS to the module to run them.`
    )
  }
  return ""
})

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { processorLock, root } = yield* DataFolder
    const found = yield* Declaration.find
    const module = Option.isSome(found) ? yield* moduleOf(found.value) : ""
    const withBuiltIn = yield* Settings.weatherHourly
    if (module === "" && !withBuiltIn) return
    yield* acquire(processorLock, "program that runs processors")
    const stopping = yield* Deferred.make<void>()
    const running = yield* Effect.forkDetach(run([root, String(withBuiltIn), module], stopping))
    yield* Effect.addFinalizer(() => Effect.andThen(Deferred.succeed(stopping, undefined), Fiber.await(running)))
  })
)
