/** What the logging server tells of itself, as a finding. */
import { Effect, Result } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { Finding } from "../../../services/Checks.ts"
import type { Target } from "../../../services/LogTarget.ts"
import { health } from "../../ingest/health.ts"

export const wellOf = (label: string) => `The logging server at ${label} takes events.`

export const healthAt = (base: URL, label?: string) => health(base, label).pipe(Effect.provide(FetchHttpClient.layer))

/** `absent` is said where no logging server answers, `judge` has more to say of one that does. */
export const answersAt = Effect.fnUntraced(function* (
  { url, label }: Pick<Target, "url" | "label">,
  absent: (message: string) => Effect.Effect<Finding, Error>,
  judge: (logId: string | null) => Effect.Effect<ReadonlyArray<Finding>> = () => Effect.succeed([])
) {
  const found = yield* Effect.result(Effect.retry(healthAt(url, label), { times: 1 }))
  if (Result.isFailure(found)) return [yield* absent(found.failure.message)]
  const { logId, notReady } = found.success
  const judged = yield* judge(logId)
  if (judged.length > 0) return judged
  if (notReady === null) return []
  const finding: Finding = {
    finding: `The logging server at ${label} takes no events: ${notReady}`,
    consequence: "Events are refused with 503 until that is mended.",
    fix: "Do what the reason says; the server goes on by itself."
  }
  return [finding]
})
