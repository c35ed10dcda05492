/**
 * What a processor is, without its functions: what is checked, compared and shown. A user's module compiles to it.
 * Owns: the shape. Does not own: the functions, the columns of its streams.
 */
import { Schema } from "effect"
import { Column } from "./StreamDefinition.ts"

/** Milliseconds. */
const Window = Schema.Union([
  Schema.Struct({ type: Schema.Literal("tumbling"), size: Schema.Int }),
  Schema.Struct({ type: Schema.Literal("hopping"), size: Schema.Int, every: Schema.Int }),
  Schema.Struct({ type: Schema.Literal("session"), gap: Schema.Int })
])

export const ProcessorDefinition = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["window", "fold", "map", "filter"]),
  doc: Schema.optionalKey(Schema.String),
  /** The stream that it reads. */
  from: Schema.String,
  /** Whether it reads through `Processor.rekey`. */
  rekeyed: Schema.Boolean,
  /** Present if a function gives its key, and not the `key` column of the stream. */
  ownKey: Schema.optionalKey(Schema.Literal(true)),
  /** The stream that it writes. */
  to: Schema.String,
  /** The stream of late events; null without windows. */
  late: Schema.NullOr(Schema.String),
  window: Schema.NullOr(Window),
  /** Milliseconds; 0 without windows, as the next two. */
  outOfOrder: Schema.Int,
  lateness: Schema.Int,
  ahead: Schema.Int,
  /** Milliseconds without events after which windows close by the clock; absent if they do not. */
  closeWhenIdle: Schema.optionalKey(Schema.Int),
  /** The columns of its state; empty if it has none. */
  state: Schema.Array(Column),
  onError: Schema.Literals(["stop", "dead-letter"])
})
export type ProcessorDefinition = typeof ProcessorDefinition.Type
