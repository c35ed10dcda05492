/** Standard output, standard error and exit code of a command: 0 success, 1 failure, 2 usage error, 130 interrupted. */
import { Cause, Console, Effect, Exit, Layer, PlatformError, Runtime, Schema, Stdio, Stream, Terminal } from "effect"
import { CliError, CliOutput } from "effect/cli"
import { sentenceOf } from "../../runtime/Shutdown.ts"
import * as Help from "./Help.ts"
import { warnings } from "./Warnings.ts"

class OutputFailed extends Schema.TaggedError<OutputFailed>()("OutputFailed", { cause: Schema.Defect() }) {
  override get message() {
    return "The output cannot be written; check its destination (full disk, closed file)."
  }
}

/** The width of the terminal in columns; unlimited for a pipe or a file. */
export const outputWidth = Effect.gen(function* () {
  if (!(yield* (yield* Stdio.Stdio).stdoutIsTerminal)) return Number.MAX_SAFE_INTEGER
  return (yield* (yield* Terminal.Terminal).columns) || 80
})

/** The reader of the output has closed the pipe (`| head`). */
const isClosedPipe = (cause: unknown): boolean =>
  cause instanceof Error && (("code" in cause && cause.code === "EPIPE") || isClosedPipe(cause.cause))

/** Writes to standard output with backpressure. Succeeds early if the reader closes the pipe; fails with `OutputFailed`. */
export const print = Effect.fn("Output.print")(function* <E, R>(text: Stream.Stream<string | Uint8Array, E, R>) {
  const stdio = yield* Stdio.Stdio
  yield* Stream.run(text, stdio.stdout({ endOnDone: false })).pipe(
    Effect.catchIf(
      (error) => error instanceof PlatformError.PlatformError,
      (error) => (isClosedPipe(error) ? Effect.void : Effect.fail(new OutputFailed({ cause: error })))
    )
  )
})

const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.gen(function* () {
          const formatter = yield* CliOutput.Formatter
          yield* Console.error(formatter.formatErrors(event.errors).trim())
          yield* Console.error(`\nTry: ${event.commandPath.join(" ")} --help`)
        })
      : CliOutput.defaultPresenter.present(event)
}

/** Without a listener, writing to a closed pipe crashes the process. */
const closedPipes = Layer.effectDiscard(
  Effect.acquireRelease(
    Effect.sync(() => {
      const ignore = () => {}
      process.stdout.on("error", ignore)
      process.stderr.on("error", ignore)
      return ignore
    }),
    (ignore) =>
      Effect.sync(() => {
        process.stdout.off("error", ignore)
        process.stderr.off("error", ignore)
      })
  )
)

export const layer = Layer.mergeAll(Help.layer, CliOutput.layerPresenter(presenter), closedPipes, warnings)

/** Prints a failure as one sentence, and a defect with its stack trace. */
export const reportFailure = (cause: Cause.Cause<unknown>) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const error = Cause.squash(cause)
  if (CliError.isCliError(error) && error._tag === "ShowHelp") return Effect.void
  return Console.error(Cause.hasDies(cause) ? Cause.pretty(cause) : sentenceOf(error))
}

export const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
    const error = Cause.squash(exit.cause)
    if (CliError.isCliError(error) && error._tag !== "UserError") {
      return onExit(Runtime.getErrorExitCode(error) === 0 ? 0 : 2)
    }
  }
  Runtime.defaultTeardown(exit, onExit)
}
