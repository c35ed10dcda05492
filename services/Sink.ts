/**
 * The one sink: it brings the log into the table for as long as its layer lives.
 * Owns: taking in, when to commit, when to do upkeep. Does not own: the log (EventLogReader), the table (TableWriter), requests (SinkControl).
 */
import { Context, type Effect, Schema } from "effect"

/** The sink cannot go on, and trying again does not help. */
export class SinkStopped extends Schema.TaggedError<SinkStopped>()("SinkStopped", {
  /** A sentence that says what to do. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}

export class Sink extends Context.Service<
  Sink,
  {
    /** Waits for as long as the sink works; a program that runs a sink waits on this and ends with it. */
    readonly failure: Effect.Effect<never, SinkStopped>
  }
>()("floe/services/Sink") {}
