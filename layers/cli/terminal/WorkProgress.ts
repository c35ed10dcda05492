/** Work that takes a while: how it goes, and what a Ctrl-C leaves behind. */
import { Console, Effect } from "effect"
import * as Progress from "./Progress.ts"

interface Interrupted {
  /** What Ctrl-C does, as the end of a sentence. */
  readonly hint: string
  /** What is said after it, if there was news. */
  readonly left: string
}

const sink: Interrupted = {
  hint: "Ctrl-C stops waiting",
  left: "No longer waiting; a running sink goes on with it."
}

export const withWorkProgress = Effect.fnUntraced(function* <A, E, R>(
  work: (told: (news: string) => Effect.Effect<void>) => Effect.Effect<A, E, R>,
  interrupted = sink
) {
  const progress = yield* Progress.make
  let asked = false
  const told = (news: string) =>
    Effect.suspend(() => {
      asked = true
      return progress.show(() => `${news}; ${interrupted.hint}`)
    })
  return yield* work(told).pipe(Effect.onInterrupt(() => (asked ? Console.error(interrupted.left) : Effect.void)))
})
