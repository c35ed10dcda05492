/**
 * The one sink: brings the log into the table for as long as its layer lives.
 * Owns: reading, when to commit, when to maintain. Does not own: the log (EventLogReader), the table (TableWriter), requests (SinkControl).
 */
import { Cause, Context, Deferred, Effect, Fiber, Layer, Option } from "effect"
import { commitInterval, topic } from "../../services/Settings.ts"
import { folderInPlace, lockInPlace } from "./folderInPlace.ts"
import { limitHeapGrowth } from "./limitHeapGrowth.ts"
import * as Requests from "./Requests.ts"
import { SinkControl } from "./SinkControl.ts"
import * as SinkLoop from "./SinkLoop.ts"
import type { SinkStopped } from "./SinkStopped.ts"
import * as Upkeep from "./Upkeep.ts"

const finalCommitTimeout = "4 seconds"

const watchInterval = "1 second"

export class Sink extends Context.Service<
  Sink,
  {
    /** Waits while the sink works, and fails when it stops; a program that runs a sink ends with it. */
    readonly failure: Effect.Effect<never, SinkStopped>
  }
>()("floe/layers/sink/Sink") {
  /** When the layer closes, the sink commits what is staged. */
  static readonly layer = Layer.effect(
    Sink,
    Effect.gen(function* () {
      yield* limitHeapGrowth
      const control = yield* SinkControl
      const upkeep = yield* Upkeep.make
      const loop = yield* SinkLoop.make({
        topic: yield* topic,
        interval: yield* commitInterval,
        onCommit: upkeep.request
      })
      const paused = yield* Effect.catch(control.paused, (error) =>
        Effect.as(Effect.logWarning(`${error.message} The sink continues without it.`), false)
      )
      if (paused) {
        yield* loop.pause
        yield* Effect.log("still paused on request")
      }
      const requests = yield* Requests.make({ loop, upkeep, paused })
      const failure = yield* Deferred.make<never, SinkStopped>()

      // Finalizers run last to first, so the fibers below have ended when this one commits what they staged.
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          const last = yield* Effect.forkDetach(Effect.ignore(loop.commitOnce))
          const ended = yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(last)), finalCommitTimeout)
          if (Option.isNone(ended))
            yield* Effect.logWarning("The last commit did not finish; its rows are still in the log.")
          yield* requests.stopped
        })
      )

      const stop = (cause: Cause.Cause<SinkStopped>) => {
        const error = Cause.squash(cause)
        const message = error instanceof Error ? error.message : String(error)
        return Effect.andThen(requests.failed(message), Deferred.failCause(failure, cause))
      }
      const background = <A>(effect: Effect.Effect<A, SinkStopped>) =>
        effect.pipe(
          Effect.onError((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : stop(cause))),
          Effect.forkScoped
        )

      const inPlace = Effect.andThen(yield* folderInPlace, yield* lockInPlace)
      yield* background(Effect.forever(Effect.andThen(inPlace, Effect.sleep(watchInterval))))
      yield* background(requests.heartbeat)
      yield* background(requests.poll)
      yield* background(upkeep.run)
      yield* background(loop.tick)
      yield* background(loop.read)

      return Sink.of({ failure: Deferred.await(failure) })
    })
  )
}
