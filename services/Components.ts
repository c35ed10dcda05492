/**
 * The parts of a running pipeline, each as it is at this moment.
 * Owns: which parts there are, whether each is up. Does not own: what is in them (EventLogReader, TableReader), what to do about it (Checks).
 */
import { Context, type Effect, Schema } from "effect"
import { ConnectorStatus } from "./Connector.ts"

export const Component = Schema.Struct({
  name: Schema.String,
  /** `paused` and `starting` are neither up nor wrong. */
  state: Schema.Literals(["up", "starting", "paused", "down"]),
  /** How long it took to find out, in milliseconds. */
  millis: Schema.Finite,
  version: Schema.NullOr(Schema.String),
  /** A few words: where it is, or why it is not up. */
  detail: Schema.String,
  /** Of the connector alone: its state and its tasks', with their traces. */
  connector: Schema.optionalKey(ConnectorStatus)
})
export type Component = typeof Component.Type

export class Components extends Context.Service<
  Components,
  {
    /** Looks at all of them at once, within a few seconds. */
    readonly look: Effect.Effect<ReadonlyArray<Component>>
  }
>()("floe/services/Components") {}
