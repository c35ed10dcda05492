/** Progress of work that may continue elsewhere after a Ctrl-C. */
import { Console, Effect } from "effect"
import * as Progress from "./Progress.ts"

interface Interrupted {
  /** What Ctrl-C does, as the end of a sentence. */
  readonly hint: string
  /** Printed after a Ctrl-C, once there was progress. */
  readonly left: string
}

const sink: Interrupted = {
  hint: "Ctrl-C stops waiting",
  left: "No longer waiting; a running sink continues the work."
}

export const withWorkProgress = Effect.fnUntraced(function* <A, E, R>(
  work: (onProgress: (step: string) => Effect.Effect<void>) => Effect.Effect<A, E, R>,
  interrupted = sink
) {
  const progress = yield* Progress.make
  let started = false
  const onProgress = (step: string) =>
    Effect.suspend(() => {
      started = true
      return progress.show(() => `${step}; ${interrupted.hint}`)
    })
  return yield* work(onProgress).pipe(
    Effect.onInterrupt(() => (started ? Console.error(interrupted.left) : Effect.void))
  )
})
