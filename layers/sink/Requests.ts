/** What other programs ask of the sink, and what it tells them of itself. */
import { Effect, Option, Schedule } from "effect"
import type { ControlUnavailable, SinkControl, SinkRequest, SinkStatus } from "../../services/SinkControl.ts"
import type { Intake } from "./Intake.ts"
import type { Upkeeper } from "./Upkeep.ts"

const pollInterval = "250 millis"
const heartbeatInterval = "1 second"

export interface RequestsOptions {
  readonly control: SinkControl["Service"]
  readonly intake: Intake
  readonly upkeep: Upkeeper
}

export const make = ({ control, intake, upkeep }: RequestsOptions) => {
  let state: SinkStatus["state"] = "running"
  let reason: string | undefined
  let silent = false

  /** Without its control table the sink goes on; it says so once. */
  const tolerant = <A>(effect: Effect.Effect<A, ControlUnavailable>) =>
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

  const report = Effect.suspend(() => tolerant(control.report(state, reason)))

  const work: Record<SinkRequest["command"], Effect.Effect<string, { readonly message: string }>> = {
    pause: Effect.gen(function* () {
      yield* intake.pause
      const rows = yield* intake.commit
      state = "paused"
      yield* report
      yield* Effect.log("paused on request")
      return `Paused at offset ${yield* intake.offset}, after committing ${rows.toLocaleString("en-US")} rows.`
    }),
    resume: Effect.gen(function* () {
      yield* intake.resume
      state = "running"
      yield* report
      yield* Effect.log("resumed on request")
      return `Resumed at offset ${yield* intake.offset}.`
    }),
    maintain: upkeep.now
  }

  const carryOut = Effect.fn("Sink.carryOut")(function* ({ id, command }: SinkRequest) {
    const heartbeat = tolerant(control.mark(id, "running")).pipe(
      Effect.andThen(Effect.sleep(heartbeatInterval)),
      Effect.forever
    )
    const failedBefore = Effect.suspend(() => (reason === undefined ? Effect.void : Effect.fail({ message: reason })))
    yield* failedBefore.pipe(
      Effect.andThen(work[command]),
      Effect.raceFirst(heartbeat),
      Effect.matchEffect({
        onSuccess: (outcome) => tolerant(control.mark(id, "done", outcome)),
        onFailure: (error) => tolerant(control.mark(id, "failed", error.message))
      })
    )
  })

  return {
    heartbeat: report.pipe(Effect.repeat(Schedule.spaced(heartbeatInterval)), Effect.asVoid),
    poll: tolerant(control.next).pipe(
      Effect.flatMap((answer) => {
        const request = Option.flatten(answer)
        return Option.isSome(request) ? carryOut(request.value) : Effect.sleep(pollInterval)
      }),
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
