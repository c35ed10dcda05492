/**
 * How a program ends. Exit codes: 0 after a drain, which SIGINT, SIGTERM, a closed terminal, a closed pipe behind
 * standard output or the end of `npm start` asks for; 1 for what it says in a sentence (or, for a defect, with a stack),
 * and when the drain takes too long; 130 at once on a second Ctrl-C.
 */
import { isatty } from "node:tty"
import { Cause, Config, Effect, type Exit, Fiber, Formatter, Layer, SchemaIssue, Scope } from "effect"
import * as NpmParent from "./npmParent.ts"
import * as UnknownSettings from "./unknownSettings.ts"

const drainMillis = 5000
/** Under npm a Ctrl-C arrives twice: from the terminal, and once more from npm. */
const echoMillis = 500

const hasTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor))

let signalledAt: number | undefined

const onSignal = () => {
  if (signalledAt === undefined) {
    signalledAt = performance.now()
    const giveUp = () => {
      console.error(
        "Stopped before the drain was done; what was acknowledged is in the log, and the next start goes on."
      )
      process.exit(1)
    }
    setTimeout(giveUp, drainMillis).unref()
  } else if (performance.now() - signalledAt > echoMillis) process.exit(130)
}

/** As if by a signal, unless it is ending already. */
const end = () => {
  if (signalledAt === undefined) process.kill(process.pid, "SIGTERM")
}

const endWithOutput = ({ code }: NodeJS.ErrnoException) => {
  // EIO is what a terminal that was closed answers.
  if (code === "EPIPE" || code === "EIO") end()
}

/**
 * Node forgets that nohup had SIGHUP ignored. But nohup, and a supervisor, leave no terminal, and without one the signal
 * does not mean that a terminal was closed.
 */
const onHangUp = () => {
  if (hasTerminal) end()
}

/**
 * As `Layer.launch`, but the layers are closed by a fiber that nobody interrupts: in an interrupted one a finalizer
 * ends where it first lets itself be interrupted, such as by a time limit, and leaves the rest undone. For the same
 * reason what is waited for is not a part of the layers: those would be closed where their building is interrupted.
 */
const launched = <A, E, E2>(program: Layer.Layer<A, E>, work: Effect.Effect<never, E2, A>) =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) => Effect.flatMap(Layer.buildWithScope(program, scope), (context) => Effect.provide(work, context)),
    (scope, exit) => Effect.flatMap(Effect.forkDetach(Scope.close(scope, exit)), Fiber.join)
  )

/** Runs the program until it, or the work it is there for, fails, or a signal ends it. */
export const launch = <A, E, E2 = never>(
  program: Layer.Layer<A, E>,
  work: Effect.Effect<never, E2, A> = Effect.never
) =>
  Effect.suspend(() => {
    // Before the listeners of runMain, which may end the program while they run.
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

/** An error as a sentence for a person; for a setting, one that names it. */
export const sentenceOf = (error: unknown) => {
  if (error instanceof Config.ConfigError && error.cause._tag === "SchemaError") {
    const [issue] = issueOf(error.cause.issue).issues
    const name = issue?.path?.map(String).join(".")
    if (issue && name) return `${name} cannot be used as it is set: ${issue.message.replace(/^E/, "e")}.`
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

/** For `runMain`, which would print a stack for every failure. */
export const exitOptions = { disableErrorReporting: true, teardown }
