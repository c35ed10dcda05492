/** Standard output and standard error of a command, and its exit code: 0 done, 1 failed, 2 misused, 130 interrupted. */
import { Cause, Console, Effect, Exit, Layer, PlatformError, Runtime, Schema, Stdio, Stream, Terminal } from "effect"
import { CliError, CliOutput } from "effect/cli"
import { sentenceOf } from "../../runtime/Shutdown.ts"
import * as Help from "./Help.ts"
import { warnings } from "./Warnings.ts"

class OutputFailed extends Schema.TaggedError<OutputFailed>()("OutputFailed", { cause: Schema.Defect() }) {
  override get message() {
    return "The output cannot be written; look at where it goes (a full disk, a closed file)."
  }
}

/** What goes into a pipe or a file is neither cut nor wrapped. */
export const outputWidth = Effect.gen(function* () {
  if (!(yield* (yield* Stdio.Stdio).stdoutIsTerminal)) return Number.MAX_SAFE_INTEGER
  return (yield* (yield* Terminal.Terminal).columns) || 80
})

/** Whoever reads the output has gone (`| head`). */
const isGone = (cause: unknown): boolean =>
  cause instanceof Error && (("code" in cause && cause.code === "EPIPE") || isGone(cause.cause))

/** Writes to standard output, as fast as it is read; when nobody reads on, the command is over, and well. */
export const print = Effect.fn("Output.print")(function* <E, R>(text: Stream.Stream<string | Uint8Array, E, R>) {
  const stdio = yield* Stdio.Stdio
  yield* Stream.run(text, stdio.stdout({ endOnDone: false })).pipe(
    Effect.catchIf(
      (error) => error instanceof PlatformError.PlatformError,
      (error) => (isGone(error) ? Effect.void : Effect.fail(new OutputFailed({ cause: error })))
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

/** Without a listener, output into a closed pipe ends the process with a stack trace. */
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

/** Prints a failure as one sentence; a defect, which is a fault of the program, in full. */
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
