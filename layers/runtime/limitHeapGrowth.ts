import { setFlagsFromString } from "node:v8"
import { Effect } from "effect"

/** Without this, V8 lets the heap grow by 150 MiB of garbage before it collects, while the sink catches up or large bodies come. */
export const limitHeapGrowth = Effect.sync(() => setFlagsFromString("--heap-growing-percent=30"))
