/** What other programs ask of the sink, and what it tells them of itself. */
import { Effect, Option, Schedule } from "effect"
import type { ControlUnavailable, SinkControl, SinkRequest, SinkStatus } from "../../services/SinkControl.ts"
import { plural } from "../runtime/plural.ts"
import type { Promotion } from "./promote.ts"
import type { SinkLoop } from "./SinkLoop.ts"
import type { Upkeeper } from "./Upkeep.ts"

const pollInterval = "250 millis"
const heartbeatInterval = "1 second"

export interface RequestsOptions {
  readonly control: SinkControl["Service"]
  readonly intake: SinkLoop
  readonly upkeep: Upkeeper
  readonly swap: Promotion
  /** Whether it begins as paused. */
  readonly paused: boolean
}

export const make = ({ control, intake, upkeep, swap, paused }: RequestsOptions) => {
  let state: SinkStatus["state"] = paused ? "paused" : "running"
  let reason: string | undefined

  /** Without its control table the sink goes on; for each thing that it cannot do there it says so once. */
  const tolerating = () => {
    let silent = false
    return <A>(effect: Effect.Effect<A, ControlUnavailable>) =>
      effect.pipe(
        Effect.tap(
          Effect.sync(() => {
            silent = false
          })
        ),
        Effect.asSome,
        Effect.catch((error) => {
          const said = silent
          silent = true
          return Effect.as(
            said ? Effect.void : Effect.logWarning(`${error.message} The sink goes on without it.`),
            Option.none<A>()
          )
        })
      )
  }
  const [reporting, asking, marking] = [tolerating(), tolerating(), tolerating()]

  const report = Effect.suspend(() => reporting(control.report(state, reason)))

  const become = (next: "running" | "paused", said: string) =>
    Effect.suspend(() => {
      if (state === next) return Effect.void
      state = next
      return Effect.andThen(report, Effect.log(said))
    })

  type Work = Effect.Effect<string, { readonly message: string }>
  const pause: Work = Effect.gen(function* () {
    yield* control.setPaused(true)
    yield* intake.pause
    const rows = yield* intake.commit
    yield* become("paused", "paused on request")
    return `Paused at offset ${yield* intake.offset}, after committing ${plural(rows, "row")}.`
  })
  const resume: Work = Effect.gen(function* () {
    yield* control.setPaused(false)
    yield* intake.resume
    yield* become("running", "resumed on request")
    return `Resumed at offset ${yield* intake.offset}.`
  })
  const workOf = ({ argument, command }: SinkRequest): Work => {
    switch (command) {
      case "pause":
        return pause
      case "resume":
        return resume
      case "maintain":
        return upkeep.now
      case "swap":
        return swap.put(argument ?? "")
    }
  }

  const carryOut = Effect.fn("Sink.carryOut")(function* (request: SinkRequest) {
    const { id } = request
    const heartbeat = marking(control.mark(id, "running")).pipe(
      Effect.andThen(Effect.sleep(heartbeatInterval)),
      Effect.forever
    )
    const failedBefore = Effect.suspend(() => (reason === undefined ? Effect.void : Effect.fail({ message: reason })))
    yield* failedBefore.pipe(
      Effect.andThen(workOf(request)),
      Effect.raceFirst(heartbeat),
      Effect.matchEffect({
        onSuccess: (outcome) =>
          Effect.andThen(
            marking(control.mark(id, "done", outcome)),
            request.command === "swap" ? swap.clear(request.argument ?? "") : Effect.void
          ),
        onFailure: (error) => marking(control.mark(id, "failed", error.message))
      })
    )
  })

  return {
    heartbeat: report.pipe(Effect.repeat(Schedule.spaced(heartbeatInterval)), Effect.asVoid),
    // It waits after a request too: one that cannot be marked as done comes again at once.
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
}
