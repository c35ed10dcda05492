import type { CompiledStreams } from "../../services/CompiledStreams.ts"

/** The text of `floe.streams.json`: the same bytes for the same streams. */
export const render = (compiled: CompiledStreams) => `${JSON.stringify(compiled, null, 2)}\n`
