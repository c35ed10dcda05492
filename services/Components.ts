/**
 * The parts of a running pipeline, and the state of each at this moment.
 * Owns: which parts there are, whether each is up. Does not own: what is in them (EventLogReader, TableReader), how to fix them (Checks).
 */
import { Context, type Effect, Schema } from "effect"
import { ConnectorStatus } from "./Connector.ts"

export const Component = Schema.Struct({
  name: Schema.String,
  /** `paused` and `starting` are neither up nor wrong. */
  state: Schema.Literals(["up", "starting", "paused", "down"]),
  /** How long the probe took, in milliseconds. */
  millis: Schema.Finite,
  version: Schema.NullOr(Schema.String),
  /** A few words: where it is, or why it is not up. */
  detail: Schema.String,
  /** Only for the connector: its state and those of its tasks, with their traces. */
  connector: Schema.optionalKey(ConnectorStatus)
})
export type Component = typeof Component.Type

export class Components extends Context.Service<
  Components,
  {
    /** Probes all of them at once, within a few seconds. */
    readonly probe: Effect.Effect<ReadonlyArray<Component>>
  }
>()("floe/services/Components") {}
