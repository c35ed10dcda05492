/** The fibers that requests run in: started from callbacks of Node, and ended with the server. */
import { type Context, Effect, Exit, Fiber, Scope } from "effect"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"

/** For fibers that do not end when they are interrupted. */
const patience = "1 second"

export const make = (exchanges: RequestContexts, context: Context.Context<never>) => {
  // Not the scope of the server: that would interrupt its fibers before it lets them end.
  const scope = Scope.makeUnsafe()
  const run = Effect.runForkWith(context)

  /** The effect closes the exchange. */
  const answer = (exchange: RequestContext, effect: Effect.Effect<void>) => {
    exchange.fiber = run(effect)
  }

  const interrupt = Effect.suspend(() => Fiber.interruptAll(exchanges.fibers)).pipe(
    Effect.andThen(Scope.close(scope, Exit.void)),
    Effect.interruptible,
    Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.void })
  )

  return { run, answer, scope, interrupt }
}

export type Fibers = ReturnType<typeof make>
