/**
 * How a program ends. Exit code 0: after a drain, triggered by SIGINT, SIGTERM, a closed terminal, a closed pipe behind
 * standard output or the end of `npm start`. 1: after an error, or if the drain takes too long. 130: on a second Ctrl-C.
 */
import { isatty } from "node:tty"
import { Cause, Config, Effect, type Exit, Fiber, Formatter, Layer, SchemaIssue, Scope } from "effect"
import * as NpmParent from "./npmParent.ts"
import * as UnknownSettings from "./unknownSettings.ts"

const drainMillis = 5000
/** Under npm a Ctrl-C arrives twice: from the terminal and from npm. */
const echoMillis = 500

const hasTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor))

let signalledAt: number | undefined

const onSignal = () => {
  if (signalledAt === undefined) {
    signalledAt = performance.now()
    const giveUp = () => {
      console.error(
        "Stopped before the drain was complete; acknowledged events are in the log, and the next start resumes."
      )
      process.exit(1)
    }
    setTimeout(giveUp, drainMillis).unref()
  } else if (performance.now() - signalledAt > echoMillis) process.exit(130)
}

const end = () => {
  if (signalledAt === undefined) process.kill(process.pid, "SIGTERM")
}

const endWithOutput = ({ code }: NodeJS.ErrnoException) => {
  if (code === "EPIPE" || code === "EIO") end()
}

/** Node overrides nohup's ignored SIGHUP, so a SIGHUP counts only with a terminal, which nohup and supervisors leave out. */
const onHangUp = () => {
  if (hasTerminal) end()
}

/**
 * As `Layer.launch`, but a fiber of its own closes the layers: in an interrupted fiber, a finalizer stops at its first
 * interruptible step (a timeout, for example). `work` is not a layer for the same reason.
 */
const launched = <A, E, E2>(program: Layer.Layer<A, E>, work: Effect.Effect<never, E2, A>) =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Effect.flatMap(Layer.buildWithScope(program, scope), (context) => Effect.provide(work, context)),
    (scope, exit) => Effect.flatMap(Effect.forkDetach(Scope.close(scope, exit)), Fiber.join)
  )

/** Runs the program until it or its work fails, or a signal ends it. */
export const launch = <A, E, E2 = never>(
  program: Layer.Layer<A, E>,
  work: Effect.Effect<never, E2, A> = Effect.never
) =>
  Effect.suspend(() => {
    // Before the listeners of runMain, which may end the program.
    process.prependListener("SIGINT", onSignal)
    process.prependListener("SIGTERM", onSignal)
    process.on("SIGHUP", onHangUp)
    process.stdout.on("error", endWithOutput)
    // Without a listener an error would end the process with a stack trace.
    process.stderr.on("error", () => {})
    NpmParent.watch(end)
    return Effect.andThen(UnknownSettings.warn, launched(program, work))
  })

const issueOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** An error as a sentence; for an invalid setting it names the variable. */
export const sentenceOf = (error: unknown) => {
  if (error instanceof Config.ConfigError && error.cause._tag === "SchemaError") {
    const [issue] = issueOf(error.cause.issue).issues
    const name = issue?.path?.map(String).join(".")
    if (issue && name) return `${name} is invalid: ${issue.message.replace(/^E/, "e")}.`
  }
  return error instanceof Error ? error.message : Formatter.format(error)
}

const explanation = (cause: Cause.Cause<unknown>) => {
  const sentences = cause.reasons.filter(Cause.isFailReason).map(({ error }) => sentenceOf(error))
  if (sentences.length === 0) return Cause.pretty(cause)
  return [...new Set(sentences)].join("\n")
}

const teardown = <A, E>(exit: Exit.Exit<A, E>, onExit: (code: number) => void) => {
  if (exit._tag === "Success") return onExit(0)
  if (signalledAt !== undefined && Cause.hasInterruptsOnly(exit.cause)) return onExit(0)
  console.error(explanation(exit.cause))
  onExit(1)
}

/** Options for `runMain`, which by default prints a stack trace for every failure. */
export const exitOptions = { disableErrorReporting: true, teardown }
