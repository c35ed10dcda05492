/** The process that runs the processors: user code has a thread and a memory of its own. Its parent ends it with a message. */
import { pathToFileURL } from "node:url"
import { Effect, Layer, Predicate, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { builtIn, builtInModule } from "../declaration/builtIn.ts"
import { declaredProcessors } from "../declaration/compileProcessors.ts"
import { compileStreams } from "../declaration/compileStreams.ts"
import { loadFault } from "../declaration/loadFault.ts"
import { leadToOurCopies } from "../declaration/moduleHooks.ts"
import * as Streams from "../log/sqlite/Streams.ts"
import * as ConsoleLogger from "../runtime/ConsoleLogger.ts"
import { placesIn } from "../runtime/DataFolder.ts"
import { messageOf } from "../runtime/sqliteReason.ts"
import { replay } from "./replay.ts"
import { runProcessors } from "./runProcessors.ts"
import { nothingToRun, type ReplayMessage, startAgain, WorkerOptions } from "./workerProtocol.ts"

const options = Schema.decodeUnknownSync(WorkerOptions)(process.argv[2])
const { file, root, stopped, withBuiltIn } = options

leadToOurCopies(import.meta.url)

let isDraining = false
process.on("message", () => {
  isDraining = true
})
// Without its parent nothing would end it.
process.on("disconnect", () => {
  if (options.replay !== undefined) process.exit(1)
  isDraining = true
})
// The parent decides; a terminal's Ctrl-C goes to both.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})

const folder = placesIn(root)

/** The processors of a module, with their definitions. */
const declaredIn = (exports: object, processors: ReadonlyArray<ProcessorDefinition> = []) => {
  const definitions = new Map(processors.map((one) => [one.name, one]))
  return declaredProcessors(exports).flatMap((processor) => {
    const definition = definitions.get(processor.name)
    return definition === undefined ? [] : [{ processor, definition }]
  })
}

const ofModule = Effect.gen(function* () {
  if (file === "") return []
  const exports: unknown = yield* Effect.tryPromise({
    try: () => import(pathToFileURL(file).href),
    catch: (error) => new Error(`${file}: ${loadFault(error, file)}.`)
  })
  const module = Predicate.isObject(exports) ? exports : {}
  const result = compileStreams(module)
  if ("sentences" in result) return yield* Effect.fail(new Error(result.sentences.join("\n")))
  return declaredIn(module, result.compiled.processors)
})

const tell = (message: ReplayMessage) => void process.send?.(message)

const program = Effect.gen(function* () {
  const ours = withBuiltIn ? declaredIn(builtInModule, builtIn.processors) : []
  const load = Effect.map(ofModule, (more) => [...ours, ...more])
  if (options.onKafka === true && options.replay === undefined) {
    const { runOnKafka } = yield* Effect.promise(() => import("./kafka/runProcessors.ts"))
    const ended = yield* runOnKafka(load, { isDraining: () => isDraining, stopped, folder: folder.processors })
    return ended === "nothing" ? nothingToRun : ended === "rebuilding" ? startAgain : 0
  }
  const declared = yield* load
  if (options.replay?.partitions !== undefined) {
    const { replayOnKafka } = yield* Effect.promise(() => import("./kafka/replay.ts"))
    yield* replayOnKafka(declared, options.replay, tell)
    return 0
  }
  if (options.replay !== undefined) {
    yield* replay(folder, declared, options.replay, tell)
    return 0
  }
  if (declared.length === 0) return nothingToRun
  const ended = yield* runProcessors(folder, declared, { isDraining: () => isDraining, stopped })
  return ended === "swapped" ? startAgain : 0
}).pipe(
  Effect.provide(Streams.layer.pipe(Layer.provide(Layer.succeed(DataFolder, folder)))),
  Effect.catch((cause) => {
    const message = messageOf(cause)
    if (options.replay === undefined) return Effect.as(Effect.logError(message), 1)
    tell({ _tag: "Failed", message })
    return Effect.succeed(1)
  }),
  Effect.provide(ConsoleLogger.layer)
)

Effect.runPromise(program).then(
  (code) => process.exit(code),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
