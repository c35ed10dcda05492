/**
 * Work on the table that only the holder of the sink's lock may do: a running sink carries it out on request, and where
 * none runs it is done here.
 */
import { Effect, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { type SinkCommand, SinkControl } from "../../services/SinkControl.ts"
import { isHeld, LockHeld } from "../runtime/ProcessLock.ts"

/** The sink tried and could not; the reason is its own sentence. */
class SinkCommandFailed extends Schema.TaggedError<SinkCommandFailed>()("SinkCommandFailed", {
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export interface LocalWork<E, R> {
  readonly command: SinkCommand
  readonly argument?: string
  /** Fails with LockHeld where a sink runs. The answer is a sentence. */
  readonly runLocally: Effect.Effect<string, E, R>
  readonly onProgress: (news: string) => Effect.Effect<void>
}

const pollInterval = "200 millis"

/** A sink that has taken up the request, or will, goes on with it when this is interrupted. */
export const dispatch = Effect.fn("SinkCommand.dispatch")(function* <E, R>({
  argument,
  command,
  runLocally,
  onProgress
}: LocalWork<E, R>) {
  const control = yield* SinkControl
  const { sinkLock } = yield* DataFolder
  const tried = runLocally.pipe(
    Effect.map(Option.some),
    Effect.catchIf(
      (error) => error instanceof LockHeld && error.holder === "sink",
      () => Effect.succeedNone
    )
  )
  const done = yield* tried
  if (Option.isSome(done)) return done.value

  const id = yield* control.request(command, argument)
  for (;;) {
    const request = yield* control.find(id)
    if (Option.isNone(request))
      return yield* new SinkCommandFailed({ reason: "The sink's control table was replaced; try again." })
    const { outcome, state } = request.value
    if (state === "failed") return yield* new SinkCommandFailed({ reason: outcome ?? "The sink failed." })
    if (state === "done") return outcome ?? "Done."
    yield* onProgress(state === "running" ? "the sink is at it" : "waiting for the sink to take it up")
    // A sink that died leaves its lock, and the request to whoever comes.
    if (!(yield* isHeld(sinkLock))) {
      const done = yield* tried.pipe(
        Effect.onExit((exit) =>
          exit._tag === "Failure" ? Effect.ignore(control.mark(id, "failed", "It was given up.")) : Effect.void
        )
      )
      if (Option.isSome(done)) {
        yield* control.mark(id, "done", done.value)
        return done.value
      }
    }
    yield* Effect.sleep(pollInterval)
  }
})
