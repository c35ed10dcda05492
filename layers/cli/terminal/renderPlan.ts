/** `floe streams plan`, for people. */
import type { StreamPlan } from "../../declaration/planStreams.ts"
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

/** Of `plan`; `apply` goes on to make the changes. */
const summary = (plans: ReadonlyArray<StreamPlan>, isApplied: boolean) => {
  if (plans.some(({ refusals }) => refusals.length > 0)) return "Not possible:"
  const changed = plans.some(({ action }) => action === "change")
  const created = plans.some(({ action }) => action === "create")
  if (isApplied && (changed || created)) return "Applying these changes."
  const isDistributed = plans.some(({ connector }) => connector !== undefined)
  if (changed || (created && isDistributed)) return "Run floe streams apply to make these changes."
  return created ? "The server creates new streams when it starts." : "Nothing to do: the log matches the declaration."
}

export const renderPlan = (plans: ReadonlyArray<StreamPlan>, paint: Colorize, isApplied: boolean) =>
  `${[...plans.map((plan) => render(plan, paint)), summary(plans, isApplied)].join("\n\n")}\n`
