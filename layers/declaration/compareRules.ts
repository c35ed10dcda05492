/** Whether the rules of a column were only made wider, so that every event of the log still fits. */
import type { Rules } from "../../services/StreamDefinition.ts"

type Limit = string | number

/** Digits of a decimal as an integer of 40 digits after the point, so that two texts compare exactly. */
const scaled = (limit: Limit) => {
  const [, sign, whole = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(limit)) ?? []
  return BigInt(`${sign ?? ""}${whole || "0"}${fraction.padEnd(40, "0")}`)
}

const isBelow = (a: Limit, b: Limit) => (typeof a === "number" && typeof b === "number" ? a < b : scaled(a) < scaled(b))

interface Bound {
  readonly limit: Limit
  readonly exclusive: boolean
}

/** The stricter of two bounds on one side, as both must hold. */
const bound = (
  inclusive: Limit | undefined,
  exclusive: Limit | undefined,
  stricter: (a: Limit, b: Limit) => boolean
): Bound | undefined => {
  if (exclusive === undefined) return inclusive === undefined ? undefined : { limit: inclusive, exclusive: false }
  return inclusive !== undefined && stricter(inclusive, exclusive)
    ? { limit: inclusive, exclusive: false }
    : { limit: exclusive, exclusive: true }
}

const admits = (to: Bound | undefined, from: Bound | undefined, stricter: (a: Limit, b: Limit) => boolean) => {
  if (to === undefined) return true
  if (from === undefined || stricter(to.limit, from.limit)) return false
  return stricter(from.limit, to.limit) || !to.exclusive || from.exclusive
}

const least = ({ minimum, exclusiveMinimum }: Rules) => bound(minimum, exclusiveMinimum, (a, b) => isBelow(b, a))
const most = ({ maximum, exclusiveMaximum }: Rules) => bound(maximum, exclusiveMaximum, isBelow)

/** The names of the rules that refuse what the former rules allowed; empty if they are as wide or wider. */
export const narrowed = (from: Rules = {}, to: Rules = {}): ReadonlyArray<string> => {
  const lower = (name: "minLength" | "minItems") => to[name] === undefined || to[name] <= (from[name] ?? 0)
  const upper = (name: "maxLength" | "maxItems") =>
    to[name] === undefined || to[name] >= (from[name] ?? Number.POSITIVE_INFINITY)
  const wide: Record<string, boolean> = {
    minLength: lower("minLength"),
    maxLength: upper("maxLength"),
    minItems: lower("minItems"),
    maxItems: upper("maxItems"),
    pattern:
      to.pattern === undefined ||
      (to.pattern.source === from.pattern?.source && to.pattern.flags === from.pattern.flags),
    literals: to.oneOf === undefined || (from.oneOf?.every((text) => to.oneOf?.includes(text)) ?? false),
    minimum: admits(least(to), least(from), (a, b) => isBelow(b, a)),
    maximum: admits(most(to), most(from), isBelow),
    multipleOf: to.multipleOf === undefined || (from.multipleOf !== undefined && from.multipleOf % to.multipleOf === 0)
  }
  return Object.entries(wide).flatMap(([name, wide]) => (wide ? [] : [name]))
}
