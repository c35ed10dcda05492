/** Loads a module of streams with a deadline, in a process of its own: V8 ends the whole process that fills its memory. */
import { type ChildProcess, fork } from "node:child_process"
import { findPackageJSON } from "node:module"
import { dirname, join } from "node:path"
import { Duration, Effect, Option, Schema } from "effect"
import { CompiledStreams } from "../../services/CompiledStreams.ts"
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

const outOfMemory = "JavaScript heap out of memory"

/** What the module prints goes to standard error, but not V8's report of a full memory. */
const startProcess = (file: string) => {
  const child = fork(worker, [file], {
    execArgv: [`--max-old-space-size=${megabytes}`],
    stdio: ["ignore", "pipe", "pipe", "ipc"]
  })
  const printed = { isOutOfMemory: false }
  child.stdout?.pipe(process.stderr, { end: false })
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    printed.isOutOfMemory ||= text.includes(outOfMemory) || /^\n?<--- Last few GCs/.test(text)
    if (!printed.isOutOfMemory) process.stderr.write(text)
  })
  return { child, printed }
}

const exitOf = (child: ChildProcess, code: number | null, isOutOfMemory: boolean) => {
  if (code === exitedEarly) return "it ends the process while it is loaded"
  if (isOutOfMemory) return `it uses more than ${megabytes} MiB of memory`
  const { signalCode } = child
  return signalCode === null ? "its top-level await never ends" : `the process that loads it was ended by ${signalCode}`
}

const answerOf = ({ child, printed }: ReturnType<typeof startProcess>, file: string) =>
  Effect.callback<Answer>((resume) => {
    const answer = (value: Answer) => resume(Effect.succeed(value))
    child.on("message", (message) =>
      answer(Option.getOrElse(decode(message), () => failed("its definitions cannot be read")))
    )
    child.on("error", (error) => answer(failed(loadFault(error, file))))
    child.on("close", (code) => answer(failed(exitOf(child, code, printed.isOutOfMemory))))
  })

/** The module's definitions, or a sentence (without the file) for each fault. What the module prints goes to standard error. */
export const loadModule = (file: string, deadline: Duration.Duration): Effect.Effect<Answer> =>
  Effect.acquireUseRelease(
    Effect.sync(() => startProcess(file)),
    (started) =>
      Effect.timeoutOrElse(answerOf(started, file), {
        duration: deadline,
        orElse: () =>
          Effect.succeed(
            failed(
              `it was still loading after ${Duration.toSeconds(deadline)} s; a module of streams only declares, without loops, network or files`
            )
          )
      }),
    ({ child }) => Effect.sync(() => void child.kill("SIGKILL"))
  )
