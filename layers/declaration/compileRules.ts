/** Effect's checks as rules of a column. */
import { Option, Schema, type SchemaRepresentation } from "effect"
import type { Rules } from "../../services/StreamDefinition.ts"

type Check = SchemaRepresentation.Check
type Writable<T> = { -readonly [K in keyof T]: T[K] }

export const flatten = (checks: ReadonlyArray<Check>): ReadonlyArray<SchemaRepresentation.Filter> =>
  checks.flatMap((check) => (check._tag === "FilterGroup" ? flatten(check.checks) : [check]))

const prefix = "effect/schema/"

/** The name of one of Effect's checks, for example `isMinLength`; undefined for a function of the user's own. */
export const nameOf = ({ representation }: SchemaRepresentation.Filter) =>
  representation?.id.startsWith(prefix) ? representation.id.slice(prefix.length) : undefined

const Limit = Schema.Union([Schema.Finite, Schema.String])
const Payload = Schema.Struct({
  minLength: Schema.optionalKey(Schema.Int),
  maxLength: Schema.optionalKey(Schema.Int),
  minProperties: Schema.optionalKey(Schema.Int),
  maxProperties: Schema.optionalKey(Schema.Int),
  minimum: Schema.optionalKey(Limit),
  maximum: Schema.optionalKey(Limit),
  exclusiveMinimum: Schema.optionalKey(Schema.Union([Limit, Schema.Boolean])),
  exclusiveMaximum: Schema.optionalKey(Schema.Union([Limit, Schema.Boolean])),
  divisor: Schema.optionalKey(Schema.Finite),
  source: Schema.optionalKey(Schema.String),
  flags: Schema.optionalKey(Schema.String)
})
const payloadOf = Schema.decodeUnknownOption(Payload)

/** Of two numbers, or of two integers as text. */
const compare = (a: number | string, b: number | string) => {
  const [x, y] = typeof a === "string" && typeof b === "string" ? [BigInt(a), BigInt(b)] : [Number(a), Number(b)]
  return x < y ? -1 : x > y ? 1 : 0
}
const higher = <L extends number | string>(a: L | undefined, b: L) => (a === undefined || compare(b, a) > 0 ? b : a)
const lower = <L extends number | string>(a: L | undefined, b: L) => (a === undefined || compare(b, a) < 0 ? b : a)

type Kind = "string" | "number" | "long" | "list" | "map"

const lengths = ["isMinLength", "isMaxLength", "isBetweenLength"]
const limits = ["isGreaterThan", "isGreaterThanOrEqualTo", "isLessThan", "isLessThanOrEqualTo", "isBetween"]
const allowed: Record<Kind, ReadonlyArray<string>> = {
  string: [...lengths, "isPattern"],
  number: [...limits, "isMultipleOf", "isInt", "isFinite"],
  long: limits.map((name) => `${name}BigInt`),
  list: lengths,
  map: ["isMinProperties", "isMaxProperties", "isBetweenProperties"]
}

/** What is said of a check that cannot be compiled. */
const refusal = (name: string | undefined, kind: Kind) =>
  name === undefined
    ? "a filter function cannot be compiled into the declaration; use Effect's checks (length, pattern, between) instead"
    : `the check ${name} is not supported here; supported are ${allowed[kind].filter((one) => !["isInt", "isFinite"].includes(one)).join(", ")}`

/** So that two compiles give the same bytes, whatever the order of the checks. */
const order = [
  "minLength",
  "maxLength",
  "pattern",
  "oneOf",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minItems",
  "maxItems"
] as const satisfies ReadonlyArray<keyof Rules>

export const inOneOrder = (rules: Rules): Rules =>
  Object.fromEntries(order.flatMap((name) => (rules[name] === undefined ? [] : [[name, rules[name]]])))

/** The rules that the checks stand for, or the sentences that say which check has none. */
export const compileRules = (checks: ReadonlyArray<Check>, kind: Kind): { rules?: Rules; faults: Array<string> } => {
  const rules: Writable<Rules> = {}
  const faults: Array<string> = []
  for (const check of flatten(checks)) {
    const name = nameOf(check)
    const payload =
      name === undefined ? undefined : Option.getOrUndefined(payloadOf(check.representation?.payload ?? {}))
    if (name === undefined || payload === undefined || !allowed[kind].includes(name)) {
      faults.push(refusal(name, kind))
      continue
    }
    if (name === "isInt" || name === "isFinite") continue
    if (name === "isPattern") {
      if (rules.pattern !== undefined) faults.push("a column can have one pattern; combine the two into one")
      rules.pattern = { source: payload.source ?? "", flags: payload.flags ?? "" }
      continue
    }
    if (name === "isMultipleOf") {
      if (rules.multipleOf !== undefined) faults.push("a column can have one isMultipleOf")
      if (payload.divisor !== undefined) rules.multipleOf = payload.divisor
      continue
    }
    const between = name.startsWith("isBetween")
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = payload
    if (kind === "string" || kind === "list" || kind === "map") {
      const least = payload.minLength ?? payload.minProperties ?? (typeof minimum === "number" ? minimum : undefined)
      const most = payload.maxLength ?? payload.maxProperties ?? (typeof maximum === "number" ? maximum : undefined)
      const [min, max] = kind === "string" ? (["minLength", "maxLength"] as const) : (["minItems", "maxItems"] as const)
      if (least !== undefined) rules[min] = higher(rules[min], least)
      if (most !== undefined) rules[max] = lower(rules[max], most)
      continue
    }
    const [min, max] = [between && exclusiveMinimum === true, between && exclusiveMaximum === true]
    if (minimum !== undefined) {
      const key = min ? "exclusiveMinimum" : "minimum"
      rules[key] = higher(rules[key], minimum)
    }
    if (maximum !== undefined) {
      const key = max ? "exclusiveMaximum" : "maximum"
      rules[key] = lower(rules[key], maximum)
    }
    if (typeof exclusiveMinimum === "number" || typeof exclusiveMinimum === "string") {
      rules.exclusiveMinimum = higher(rules.exclusiveMinimum, exclusiveMinimum)
    }
    if (typeof exclusiveMaximum === "number" || typeof exclusiveMaximum === "string") {
      rules.exclusiveMaximum = lower(rules.exclusiveMaximum, exclusiveMaximum)
    }
  }
  return { ...(Object.keys(rules).length === 0 ? {} : { rules: inOneOrder(rules) }), faults }
}
