/** `floe streams plan`, for people. */
import type { StreamPlan } from "../../declaration/planStreams.ts"
import type { ProcessorPlan } from "../../process/planProcessors.ts"
import type { Colorize } from "./colorize.ts"

const signs = { add: "+", remove: "-", change: "~", rename: "~" } as const
const styles = { "+": "green", "-": "red", "~": "yellow" } as const

const heading = ({ action, stream, version }: StreamPlan) => {
  if (action === "create") return `${stream}: new`
  return action === "none" ? `${stream}: no changes` : `${stream}: version ${version - 1} → ${version}`
}

const render = (plan: StreamPlan, paint: Colorize) => {
  const width = Math.max(0, ...plan.changes.map(({ path }) => path.length)) + 2
  const changes = plan.changes.map(({ kind, path, what }) => {
    const sign = signs[kind]
    return `  ${paint(styles[sign], sign)} ${path.padEnd(width)}${kind === "remove" ? `removed (${what})` : what}`
  })
  const column = plan.connector === undefined ? 8 : 9
  const effects = (["log", "table", "connector", "endpoint"] as const).flatMap((name) =>
    (plan[name] ?? []).map((effect, index) => `  ${(index === 0 ? name : "").padEnd(column)}  ${effect}`)
  )
  return [
    heading(plan),
    ...changes,
    ...(effects.length > 0 && plan.refusals.length === 0 ? ["", ...effects] : [])
  ].join("\n")
}

const headings = { create: "new", change: "changed", none: "no changes" } as const

const renderProcessor = ({ action, effects, processor, refusals }: ProcessorPlan) =>
  [
    `processor ${processor}: ${headings[action]}`,
    ...(refusals.length > 0 ? [] : effects.map((effect) => `  ${effect}`))
  ].join("\n")

interface Purpose {
  /** Of `apply`, which goes on to make the changes, not of `plan`. */
  readonly isApplied: boolean
  /** An earlier change that died half-way is completed or dropped, also where nothing else changes. */
  readonly isEnded: boolean
}

const summary = (
  plans: ReadonlyArray<StreamPlan>,
  processors: ReadonlyArray<ProcessorPlan>,
  { isApplied, isEnded }: Purpose
) => {
  if (processors.some(({ refusals }) => refusals.length > 0)) return "Not possible:"
  if (plans.some(({ refusals }) => refusals.length > 0)) return "Not possible:"
  const changed = [...plans, ...processors].some(({ action }) => action === "change")
  const created = [...plans, ...processors].some(({ action }) => action === "create")
  if (isApplied && (changed || created)) return "Applying these changes."
  const isDistributed = plans.some(({ connector }) => connector !== undefined)
  if (changed || (created && isDistributed)) return "Run floe streams apply to make these changes."
  if (isEnded && !isApplied) return "Run floe streams apply to end the earlier changes."
  return created ? "The server creates new streams when it starts." : "Nothing to do: the log matches the declaration."
}

export const renderPlan = (
  plans: ReadonlyArray<StreamPlan>,
  processors: ReadonlyArray<ProcessorPlan>,
  paint: Colorize,
  purpose: Purpose
) =>
  `${[...plans.map((plan) => render(plan, paint)), ...processors.map(renderProcessor), summary(plans, processors, purpose)].join("\n\n")}\n`
