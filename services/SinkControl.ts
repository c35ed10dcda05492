/**
 * How other programs steer the one sink that writes the table: requests that the running sink carries out.
 * Owns: requests and their states, the sink's heartbeat. Does not own: the work itself (Table), the lock.
 */
import { Context, type Effect, type Option, Schema } from "effect"

/**
 * pause and resume taking events in; maintain: upkeep until there is nothing left to do; swap: puts the table that the
 * argument names, made by a replay, in place of `default.weather`.
 */
export const SinkCommand = Schema.Literals(["pause", "resume", "maintain", "swap"])
export type SinkCommand = typeof SinkCommand.Type

export const SinkRequest = Schema.Struct({
  id: Schema.Int,
  command: SinkCommand,
  argument: Schema.NullOr(Schema.String),
  state: Schema.Literals(["requested", "running", "done", "failed"]),
  /** Milliseconds since 1970; null until then. The heartbeat moves while the sink works on it. */
  requestedAt: Schema.Int,
  heartbeatAt: Schema.NullOr(Schema.Int),
  finishedAt: Schema.NullOr(Schema.Int),
  /** A sentence: what was done, or why it failed. */
  outcome: Schema.NullOr(Schema.String)
})
export type SinkRequest = typeof SinkRequest.Type

export const SinkStatus = Schema.Struct({
  state: Schema.Literals(["running", "paused", "failed", "stopped"]),
  /** Milliseconds since 1970. */
  heartbeatAt: Schema.Int,
  processId: Schema.Int,
  /** Why it failed; null otherwise. */
  reason: Schema.NullOr(Schema.String)
})
export type SinkStatus = typeof SinkStatus.Type

export class ControlUnavailable extends Schema.TaggedError<ControlUnavailable>()("ControlUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The sink's control table is unavailable (${this.operation}): ${this.reason}.`
  }
}

export class SinkControl extends Context.Service<
  SinkControl,
  {
    /** Asks; the answer is the request's id. */
    readonly request: (command: SinkCommand, argument?: string) => Effect.Effect<number, ControlUnavailable>
    readonly find: (id: number) => Effect.Effect<Option.Option<SinkRequest>, ControlUnavailable>
    /** The oldest request not finished; one that a dead sink left running comes again. */
    readonly next: Effect.Effect<Option.Option<SinkRequest>, ControlUnavailable>
    readonly mark: (
      id: number,
      state: "running" | "done" | "failed",
      outcome?: string
    ) => Effect.Effect<void, ControlUnavailable>
    /** What the sink last said of itself; none if none ever ran here. */
    readonly status: Effect.Effect<Option.Option<SinkStatus>, ControlUnavailable>
    /** Whether the sink is to be paused; outlasts it. */
    readonly paused: Effect.Effect<boolean, ControlUnavailable>
    readonly setPaused: (paused: boolean) => Effect.Effect<void, ControlUnavailable>
    readonly report: (state: SinkStatus["state"], reason?: string) => Effect.Effect<void, ControlUnavailable>
  }
>()("floe/services/SinkControl") {}
