/** The logging server that FLOE_TARGET names. */
import { Effect, Layer, Option } from "effect"
import { LogTarget, type Target } from "../../services/LogTarget.ts"
import { defaultTarget, target } from "../../services/Settings.ts"
import { addressOf } from "./health.ts"

export const from = (url: URL, source: string, logId: string | null): Target => ({
  url,
  label: `${addressOf(url)} (${source})`,
  logId
})

export const explicit = Effect.map(
  target,
  Option.map((url) => from(url, "from FLOE_TARGET", null))
)

export const layer = Layer.effect(
  LogTarget,
  Effect.map(explicit, (named) => {
    const target = Option.getOrElse(named, () => from(defaultTarget, "the default", null))
    return LogTarget.of({ find: Effect.succeed(target) })
  })
)
