/**
 * The processors of a declaration, in a process of their own for as long as the layer lives.
 * Owns: starting and ending that process. Does not own: what it does (runProcessors).
 */
import { resolve } from "node:path"
import { Deferred, Effect, Fiber, Layer, Option, type Scope } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import * as Settings from "../../services/Settings.ts"
import * as Declaration from "../declaration/Declaration.ts"
import { monotonicMillis } from "../runtime/elapsed.ts"
import * as Heartbeat from "../runtime/Heartbeat.ts"
import { acquire } from "../runtime/ProcessLock.ts"
import { Suspects } from "./Suspects.ts"
import { ended, start, takeCulprit, takeHung } from "./workerProcess.ts"
import { nothingToRun, startAgain, type WorkerOptions } from "./workerProtocol.ts"

/** A program has 5 seconds to end, and the sink commits after this. */
const drainTimeout = "2500 millis"
const longestPause = 30_000
const beatInterval = "5 seconds"

const run = Effect.fnUntraced(function* (
  options: Omit<WorkerOptions, "stopped">,
  processors: string,
  stopping: Deferred.Deferred<void>,
  alive: Effect.Effect<never>
) {
  let stopped: Record<string, string> = {}
  const suspects = new Suspects()
  for (let pause = 1_000; ; pause = Math.min(longestPause, 2 * pause)) {
    const child = start({ ...options, stopped })
    const drain = Effect.andThen(
      Effect.sync(() => void (child.connected && child.send("drain"))),
      Effect.timeoutOption(ended(child), drainTimeout)
    )
    const drained = Effect.andThen(Deferred.await(stopping), drain)
    const done = Effect.raceAllFirst([Effect.map(ended(child), Option.some), drained, alive])
    const outcome = yield* Effect.onExit(done, () => Effect.sync(() => void child.kill("SIGKILL")))
    if (Option.isNone(outcome))
      return yield* Effect.logWarning("The processors did not finish in time; the next start goes on where they were.")
    const hung = takeHung(processors)
    if (hung !== undefined) {
      stopped = { ...stopped, [hung.processor]: hung.reason }
      yield* Effect.logError(hung.reason)
      continue
    }
    const culprit = takeCulprit(processors, outcome.value)
    if (culprit !== undefined) {
      const { isStopped, sentence } = suspects.accuse(culprit, yield* monotonicMillis)
      if (isStopped) stopped = { ...stopped, [culprit.processor]: sentence }
      yield* isStopped ? Effect.logError(sentence) : Effect.logWarning(sentence)
      pause = 500
      continue
    }
    if (outcome.value === 0 || outcome.value === nothingToRun) return
    if (outcome.value === startAgain) {
      stopped = {}
      continue
    }
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

export interface ProcessorsOptions extends Pick<WorkerOptions, "onKafka" | "root"> {
  /** Where the process leaves the report of a function that does not return. */
  readonly reports: string
  /** Runs before the process starts. */
  readonly acquired: Effect.Effect<void, unknown, Scope.Scope>
}

/** Starts the process if there is a processor to run, and ends it with the scope. */
export const make = Effect.fnUntraced(function* ({ acquired, onKafka = false, reports, root }: ProcessorsOptions) {
  const found = yield* Declaration.find
  const module = Option.isSome(found) ? yield* moduleOf(found.value) : ""
  const withBuiltIn = yield* Settings.weatherHourly
  const beat = yield* Heartbeat.make
  const alive = Effect.forever(Effect.andThen(Effect.sleep(beatInterval), beat))
  if (module === "" && !withBuiltIn) {
    yield* beat
    yield* Effect.forkScoped(alive)
    return
  }
  yield* acquired
  takeHung(reports)
  takeCulprit(reports, 0)
  const stopping = yield* Deferred.make<void>()
  const running = yield* run({ onKafka, root, withBuiltIn, file: module }, reports, stopping, alive).pipe(
    // A module without processors is no reason to be unhealthy.
    Effect.andThen(Effect.raceFirst(Deferred.await(stopping), Effect.andThen(beat, alive))),
    Effect.forkDetach
  )
  yield* Effect.addFinalizer(() => Effect.andThen(Deferred.succeed(stopping, undefined), Fiber.await(running)))
})

/** In the embedded profile. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { processorLock, processors, root } = yield* DataFolder
    yield* make({ root, reports: processors, acquired: acquire(processorLock, "program that runs processors") })
  })
)
