/** One component looked at: within a time limit, and how long it took. */
import { Effect } from "effect"
import type { Component } from "../../../services/Components.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"

const timeLimit = "5 seconds"

export interface Probed extends Pick<Component, "state" | "detail" | "connector"> {
  readonly version?: string | null
}

/** An error is what is wrong with it. */
export const probeComponent = <E extends Error, R>(name: string, look: Effect.Effect<Probed, E, R>) =>
  look.pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.succeed<Probed>({ state: "down", detail: `no answer within ${timeLimit}` })
    }),
    Effect.catch((error: Error) => Effect.succeed<Probed>({ state: "down", detail: error.message })),
    (looked) =>
      Effect.gen(function* () {
        const started = yield* monotonicMillis
        const { version = null, ...found } = yield* looked
        const millis = (yield* monotonicMillis) - started
        return { name, ...found, version, millis } satisfies Component
      })
  )
