import { Schema } from "effect"

/** The sink cannot continue, and a retry does not help. */
export class SinkStopped extends Schema.TaggedError<SinkStopped>()("SinkStopped", {
  /** A sentence that states what to do. */
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}
