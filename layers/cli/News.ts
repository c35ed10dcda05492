/** Work that a running sink may carry out for a command: how it goes, and what a Ctrl-C leaves behind. */
import { Console, Effect } from "effect"
import * as Progress from "./Progress.ts"

export const following = Effect.fnUntraced(function* <A, E, R>(
  work: (told: (news: string) => Effect.Effect<void>) => Effect.Effect<A, E, R>
) {
  const progress = yield* Progress.make
  let asked = false
  const told = (news: string) =>
    Effect.suspend(() => {
      asked = true
      return progress.show(() => `${news}; Ctrl-C stops waiting`)
    })
  return yield* work(told).pipe(
    Effect.onInterrupt(() =>
      asked ? Console.error("No longer waiting; a running sink goes on with it.") : Effect.void
    )
  )
})
