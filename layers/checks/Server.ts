/** What the logging server tells of itself, as a finding. */
import { Effect, Result } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { Finding } from "../../services/Checks.ts"
import { addressOf, health } from "../http/Health.ts"

export const wellOf = (target: URL) => `The logging server at ${addressOf(target)} takes events.`

export const healthAt = (base: URL) => health(base).pipe(Effect.provide(FetchHttpClient.layer))

/** `absent` is said where no logging server answers. */
export const answersAt = Effect.fnUntraced(function* (
  target: URL,
  absent: (message: string) => Effect.Effect<Finding, Error>
) {
  const found = yield* Effect.result(Effect.retry(healthAt(target), { times: 1 }))
  if (Result.isFailure(found)) return [yield* absent(found.failure.message)]
  const { notReady } = found.success
  if (notReady === null) return []
  const finding: Finding = {
    finding: `The logging server at ${addressOf(target)} takes no events: ${notReady}`,
    consequence: "Events are refused with 503 until that is mended.",
    mend: "Do what the reason says; the server goes on by itself."
  }
  return [finding]
})
