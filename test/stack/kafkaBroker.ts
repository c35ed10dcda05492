/** The broker's container, for tests that take it away: the one named by KAFKA_CONTAINER. */
import { Effect } from "effect"
import { docker } from "./docker.ts"

const container = process.env.KAFKA_CONTAINER ?? "kafka"

/** While paused, its kernel takes what is sent to it, and it answers nothing. */
const pause = Effect.promise(() => docker("pause", container))
const unpause = Effect.promise(() => docker("unpause", container))

/** Goes on by itself when the scope closes. */
export const paused = Effect.acquireRelease(pause, () => Effect.ignoreCause(unpause))
export const goOn = unpause
