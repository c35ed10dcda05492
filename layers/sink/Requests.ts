/** Carries out requests of other programs to the sink, and reports the sink's status to them. */
import { Effect, Option, Schedule } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { Leases } from "../../services/Leases.ts"
import { plural } from "../runtime/plural.ts"
import * as Promote from "./promote.ts"
import {
  type ControlUnavailable,
  promoteCommand,
  SinkControl,
  type SinkRequest,
  type SinkStatus
} from "./SinkControl.ts"
import type { SinkLoop } from "./SinkLoop.ts"
import type { Upkeeper } from "./Upkeep.ts"

const pollInterval = "250 millis"
const heartbeatInterval = "1 second"

export interface RequestsOptions {
  readonly loop: SinkLoop
  readonly upkeep: Upkeeper
  /** Whether the sink starts paused. */
  readonly paused: boolean
}

const tolerating = () => {
  let warned = false
  return <A>(effect: Effect.Effect<A, ControlUnavailable>) =>
    effect.pipe(
      Effect.tap(
        Effect.sync(() => {
          warned = false
        })
      ),
      Effect.asSome,
      Effect.catch((error) => {
        const warning = warned ? Effect.void : Effect.logWarning(`${error.message} The sink continues without it.`)
        warned = true
        return Effect.as(warning, Option.none<A>())
      })
    )
}

export const make = Effect.fnUntraced(function* ({ loop, upkeep, paused }: RequestsOptions) {
  const control = yield* SinkControl
  const services = yield* Effect.context<DataFolder | Leases>()
  let state: SinkStatus["state"] = paused ? "paused" : "running"
  let reason: string | undefined
  const [reporting, asking, marking] = [tolerating(), tolerating(), tolerating()]

  const report = Effect.suspend(() => reporting(control.report(state, reason)))

  const setState = (next: "running" | "paused", message: string) =>
    Effect.suspend(() => {
      if (state === next) return Effect.void
      state = next
      return Effect.andThen(report, Effect.log(message))
    })

  type Work = Effect.Effect<string, { readonly message: string }>
  const pause: Work = Effect.gen(function* () {
    yield* control.setPaused(true)
    yield* loop.pause
    const rows = yield* loop.commit
    yield* setState("paused", "paused on request")
    return `Paused at offset ${yield* loop.offset}, after committing ${plural(rows, "row")}.`
  })
  const resume: Work = Effect.gen(function* () {
    yield* control.setPaused(false)
    yield* loop.resume
    yield* setState("running", "resumed on request")
    return `Resumed at offset ${yield* loop.offset}.`
  })
  const workOf = ({ argument, command }: SinkRequest): Work => {
    switch (command) {
      case "pause":
        return pause
      case "resume":
        return resume
      case "maintain":
        return upkeep.now
      case promoteCommand:
        return Effect.provide(Promote.promote(loop.promote, argument ?? ""), services)
    }
  }

  const carryOut = Effect.fn("Sink.carryOut")(function* (request: SinkRequest) {
    const { argument, command, id } = request
    const heartbeat = marking(control.mark(id, "running")).pipe(
      Effect.andThen(Effect.sleep(heartbeatInterval)),
      Effect.forever
    )
    const failIfStopped = Effect.suspend(() => (reason === undefined ? Effect.void : Effect.fail({ message: reason })))
    yield* failIfStopped.pipe(
      Effect.andThen(workOf(request)),
      Effect.raceFirst(heartbeat),
      Effect.matchEffect({
        onSuccess: (outcome) =>
          Effect.andThen(
            marking(control.mark(id, "done", outcome)),
            command === promoteCommand ? Effect.provide(Promote.clear(argument ?? ""), services) : Effect.void
          ),
        onFailure: (error) => marking(control.mark(id, "failed", error.message))
      })
    )
  })

  return {
    heartbeat: report.pipe(Effect.repeat(Schedule.spaced(heartbeatInterval)), Effect.asVoid),
    // Waits after a request too: one that cannot be marked as done would come again at once.
    poll: asking(control.next).pipe(
      Effect.map(Option.flatten),
      Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: carryOut })),
      Effect.andThen(Effect.sleep(pollInterval)),
      Effect.forever
    ),
    failed: (message: string) =>
      Effect.suspend(() => {
        state = "failed"
        reason = message
        return report
      }),
    stopped: Effect.suspend(() => {
      if (state === "failed") return Effect.void
      state = "stopped"
      return Effect.asVoid(report)
    })
  }
})
