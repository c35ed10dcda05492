/** The fibers that serve requests: started by Node's callbacks, interrupted when the server stops. */
import { type Context, Effect, Exit, Fiber, Scope } from "effect"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"

/** Limit for fibers that do not end when they are interrupted. */
const interruptTimeout = "1 second"

export const make = (contexts: RequestContexts, services: Context.Context<never>) => {
  // Not the server's scope: closing that would interrupt the fibers before the drain.
  const scope = Scope.makeUnsafe()
  const run = Effect.runForkWith(services)

  const serve = (context: RequestContext, effect: Effect.Effect<void>) => {
    context.fiber = run(effect)
  }

  const interrupt = Effect.suspend(() => Fiber.interruptAll(contexts.fibers)).pipe(
    Effect.andThen(Scope.close(scope, Exit.void)),
    Effect.interruptible,
    Effect.timeoutOrElse({ duration: interruptTimeout, orElse: () => Effect.void })
  )

  return { run, serve, scope, interrupt }
}

export type Fibers = ReturnType<typeof make>
