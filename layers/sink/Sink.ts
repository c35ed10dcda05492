import { setFlagsFromString } from "node:v8"
import { Cause, Deferred, Effect, Fiber, Layer, Option } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import { Leases } from "../../services/Leases.ts"
import { commitInterval, topic } from "../../services/Settings.ts"
import { Sink, type SinkStopped } from "../../services/Sink.ts"
import { SinkControl } from "../../services/SinkControl.ts"
import { TableWriter } from "../../services/Table.ts"
import * as Promote from "./promote.ts"
import * as Requests from "./Requests.ts"
import { folderInPlace, lockInPlace } from "./runLocally.ts"
import * as SinkLoop from "./SinkLoop.ts"
import * as Upkeep from "./Upkeep.ts"

/** How long the last commit may take when the sink ends. */
const finalCommitTimeout = "4 seconds"

/** How often it looks whether its data folder is still there. */
const watchInterval = "1 second"

/** Works for as long as the layer lives; when it closes, what is staged is committed. */
export const layer = Layer.effect(
  Sink,
  Effect.gen(function* () {
    // While it catches up, V8 would let the heap grow by 150 MiB of garbage before it collects.
    setFlagsFromString("--heap-growing-percent=30")
    const table = yield* TableWriter
    const control = yield* SinkControl
    const folder = yield* DataFolder
    const upkeep = yield* Upkeep.make(table)
    const intake = yield* SinkLoop.make({
      log: yield* EventLogReader,
      table,
      folder,
      topic: yield* topic,
      interval: yield* commitInterval,
      committed: upkeep.wanted
    })
    const paused = yield* Effect.catch(control.paused, (error) =>
      Effect.as(Effect.logWarning(`${error.message} The sink goes on without it.`), false)
    )
    if (paused) {
      yield* intake.pause
      yield* Effect.log("still paused on request")
    }
    const swap = Promote.make(folder, yield* Leases, intake.supersede)
    const requests = Requests.make({ control, intake, upkeep, swap, paused })
    const failure = yield* Deferred.make<never, SinkStopped>()

    // Finalizers run last to first: the fibers below have ended when this one commits what they left.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        const last = yield* Effect.forkDetach(Effect.ignore(intake.commitOnce))
        const ended = yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(last)), finalCommitTimeout)
        if (Option.isNone(ended))
          yield* Effect.logWarning("The last commit was left unfinished; its rows are still in the log.")
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

    const inPlace = Effect.andThen(folderInPlace(folder), lockInPlace(folder))
    yield* background(Effect.forever(Effect.andThen(inPlace, Effect.sleep(watchInterval))))
    yield* background(requests.heartbeat)
    yield* background(requests.poll)
    yield* background(upkeep.run)
    yield* background(intake.tick)
    yield* background(intake.read)

    return Sink.of({ failure: Deferred.await(failure) })
  })
)
