/** Loads a module of streams with a deadline, in a thread of its own, so that code that never ends can be stopped. */
import { findPackageJSON } from "node:module"
import { dirname, join } from "node:path"
import { Worker } from "node:worker_threads"
import { Duration, Effect, Option, Schema } from "effect"
import { CompiledStreams } from "../../services/StreamDefinition.ts"
import { exitedEarly, loadFault } from "./loadFault.ts"

const Answer = Schema.Union([
  Schema.Struct({ compiled: CompiledStreams }),
  Schema.Struct({ sentences: Schema.Array(Schema.String) })
])
type Answer = typeof Answer.Type
const decode = Schema.decodeUnknownOption(Answer)

const megabytes = 512

const root = dirname(findPackageJSON(import.meta.url) ?? import.meta.filename)
/** A build bundles this file, so the worker's place is counted from the package. */
const worker = import.meta.filename.endsWith(".ts")
  ? join(import.meta.dirname, "moduleWorker.ts")
  : join(root, "dist", "streams", "moduleWorker.js")

const failed = (sentence: string): Answer => ({ sentences: [sentence] })

const ofError = (error: Error, file: string) =>
  failed(
    "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY"
      ? `it uses more than ${megabytes} MiB of memory`
      : loadFault(error, file)
  )

const startThread = (file: string) => {
  const thread = new Worker(worker, {
    workerData: file,
    stdout: true,
    stderr: true,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: megabytes }
  })
  thread.stdout.pipe(process.stderr, { end: false })
  thread.stderr.pipe(process.stderr, { end: false })
  return thread
}

const answerOf = (thread: Worker, file: string) =>
  Effect.callback<Answer>((resume) => {
    const answer = (value: Answer) => resume(Effect.succeed(value))
    thread.on("message", (message) =>
      answer(Option.getOrElse(decode(message), () => failed("its definitions cannot be read")))
    )
    thread.on("error", (error) => answer(ofError(error instanceof Error ? error : new Error(String(error)), file)))
    thread.on("exit", (code) =>
      answer(failed(code === exitedEarly ? "it ends the process while it is loaded" : "its top-level await never ends"))
    )
  })

/** The module's definitions, or a sentence (without the file) for each fault. What the module prints goes to standard error. */
export const loadModule = (file: string, deadline: Duration.Duration): Effect.Effect<Answer> =>
  Effect.acquireUseRelease(
    Effect.sync(() => startThread(file)),
    (thread) =>
      Effect.timeoutOrElse(answerOf(thread, file), {
        duration: deadline,
        orElse: () =>
          Effect.succeed(
            failed(
              `it was still loading after ${Duration.toSeconds(deadline)} s; a module of streams only declares, without loops, network or files`
            )
          )
      }),
    (thread) => Effect.promise(() => thread.terminate())
  )
