/** Runs work that only the holder of the sink's lock may do: a running sink on request, or this process if no sink runs. */
import { Effect, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { isHeld, LockHeld } from "../runtime/ProcessLock.ts"
import { type SinkCommand, SinkControl } from "./SinkControl.ts"

/** The database with the request is gone. */
class ControlReplaced extends Schema.TaggedError<ControlReplaced>()("ControlReplaced", {}) {
  override get message() {
    return "The sink's control database was replaced; try again."
  }
}

/** The sink tried and failed. Its message is the sink's own. */
class FailedInSink extends Schema.TaggedError<FailedInSink>()("FailedInSink", { message: Schema.String }) {}

class SinkCommandFailed extends Schema.TaggedError<SinkCommandFailed>()("SinkCommandFailed", {
  reason: Schema.Union([ControlReplaced, FailedInSink])
}) {
  override get message() {
    return this.reason.message
  }
}

export interface LocalWork<E, R> {
  readonly command: SinkCommand
  /** Weather by default. */
  readonly stream?: string | undefined
  readonly argument?: string
  /** Returns a sentence, or fails with LockHeld if a sink runs. */
  readonly runLocally: Effect.Effect<string, E, R>
  readonly onProgress: (step: string) => Effect.Effect<void>
}

const pollInterval = "200 millis"

/** Returns a sentence. If this is interrupted, a sink that has the request still carries it out. */
export const dispatch = Effect.fn("SinkCommand.dispatch")(function* <E, R>({
  argument,
  command,
  stream,
  runLocally,
  onProgress
}: LocalWork<E, R>) {
  const control = yield* SinkControl
  const { sinkLock } = yield* DataFolder
  const runUnlessSinkRuns = runLocally.pipe(
    Effect.map(Option.some),
    Effect.catchIf(
      (error) => error instanceof LockHeld && error.holder === "sink",
      () => Effect.succeedNone
    )
  )
  const outcome = yield* runUnlessSinkRuns
  if (Option.isSome(outcome)) return outcome.value

  const id = yield* control.request(command, argument, stream)
  for (;;) {
    const request = yield* control.find(id)
    if (Option.isNone(request)) return yield* new SinkCommandFailed({ reason: new ControlReplaced() })
    const { outcome, state } = request.value
    if (state === "failed") {
      return yield* new SinkCommandFailed({ reason: new FailedInSink({ message: outcome ?? "The sink failed." }) })
    }
    if (state === "done") return outcome ?? "Done."
    yield* onProgress(state === "running" ? "the sink is working on it" : "waiting for the sink to start it")
    // A sink that dies leaves its lock, and the request to the next holder.
    if (!(yield* isHeld(sinkLock))) {
      const local = yield* runUnlessSinkRuns.pipe(
        Effect.onExit((exit) =>
          exit._tag === "Failure"
            ? Effect.ignore(control.mark(id, "failed", "The request was abandoned."))
            : Effect.void
        )
      )
      if (Option.isSome(local)) {
        yield* control.mark(id, "done", local.value)
        return local.value
      }
    }
    yield* Effect.sleep(pollInterval)
  }
})
