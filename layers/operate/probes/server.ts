/** What the logging server reports about itself, as a finding. */
import { Effect, Result } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { Finding } from "../../../services/Checks.ts"
import type { Target } from "../../../services/LogTarget.ts"
import { health } from "../../ingest/health.ts"

export const okOf = (label: string) => `The logging server at ${label} accepts events.`

export const healthAt = (base: URL, label?: string) => health(base, label).pipe(Effect.provide(FetchHttpClient.layer))

/** `absent` gives the finding if no logging server answers; `judge` may find more about one that does. */
export const answersAt = Effect.fnUntraced(function* <E, R, R2 = never>(
  { url, label }: Pick<Target, "url" | "label">,
  absent: (message: string) => Effect.Effect<Finding, E, R>,
  judge: (logId: string | null) => Effect.Effect<ReadonlyArray<Finding>, never, R2> = () => Effect.succeed([])
) {
  const answer = yield* Effect.result(Effect.retry(healthAt(url, label), { times: 1 }))
  if (Result.isFailure(answer)) return [yield* absent(answer.failure.message)]
  const { logId, notReady } = answer.success
  const judged = yield* judge(logId)
  if (judged.length > 0) return judged
  if (notReady === null) return []
  const finding: Finding = {
    finding: `The logging server at ${label} accepts no events: ${notReady}`,
    consequence: "The server answers 503 to events until the cause is fixed.",
    fix: "Fix the cause; the server then continues by itself."
  }
  return [finding]
})
