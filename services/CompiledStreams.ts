/**
 * A compiled module: `floe.streams.json`.
 * Owns: the shape. Does not own: what is in force in a log (Streams).
 */
import { Schema } from "effect"
import { ProcessorDefinition } from "./ProcessorDefinition.ts"
import { StreamDefinition } from "./StreamDefinition.ts"

export const CompiledStreams = Schema.Struct({
  format: Schema.Literal(1),
  streams: Schema.Array(StreamDefinition),
  /** Absent if there are none. Their functions are in the module alone. */
  processors: Schema.optionalKey(Schema.Array(ProcessorDefinition))
})
export type CompiledStreams = typeof CompiledStreams.Type
