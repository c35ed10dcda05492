/** Probes one component, with a time limit, and measures how long it took. */
import { Effect } from "effect"
import type { Component } from "../../../services/Components.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"

const timeLimit = "5 seconds"

export interface Probed extends Pick<Component, "state" | "detail" | "connector"> {
  readonly version?: string | null
}

/** A component whose probe fails is down, and the error is the reason. */
export const probeComponent = <E extends Error, R>(name: string, probe: Effect.Effect<Probed, E, R>) =>
  probe.pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.succeed<Probed>({ state: "down", detail: `no answer within ${timeLimit}` })
    }),
    Effect.catch((error: Error) => Effect.succeed<Probed>({ state: "down", detail: error.message })),
    (probed) =>
      Effect.gen(function* () {
        const started = yield* monotonicMillis
        const { version = null, ...rest } = yield* probed
        const millis = (yield* monotonicMillis) - started
        return { name, ...rest, version, millis } satisfies Component
      })
  )
