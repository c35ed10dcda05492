/** What a value must keep beside its type. */
import type { ColumnType, Rules } from "../../../services/StreamDefinition.ts"
import { plural } from "../../runtime/plural.ts"
import { type ExactNumber, exactOf } from "./numbers.ts"

/** Takes a canonical value without its quotes (a string unescaped); gives the predicate of an error, or undefined. */
export type Rule<A> = (value: A) => string | undefined

const all = <A>(rules: ReadonlyArray<Rule<A>>): Rule<A> | undefined => {
  const [first, ...rest] = rules
  if (first === undefined || rest.length === 0) return first
  return (value) => {
    for (const rule of rules) {
      const error = rule(value)
      if (error !== undefined) return error
    }
    return undefined
  }
}

const rule = <A>(keeps: (value: A) => boolean, error: string): Rule<A> => {
  return (value) => (keeps(value) ? undefined : error)
}

const exact = (value: string | number): ExactNumber => {
  const text = String(value)
  return exactOf(text, 0, text.length)
}

const scaled = ({ negative, digits, exponent }: ExactNumber, to: number) => {
  const value = BigInt(`${digits || "0"}${"0".repeat(digits === "" ? 0 : exponent - to)}`)
  return negative ? -value : value
}

/** Both as whole numbers of the same power of ten. */
const common = (a: ExactNumber, b: ExactNumber): readonly [bigint, bigint] => {
  const power = Math.min(a.exponent, b.exponent)
  return [scaled(a, power), scaled(b, power)]
}

const compareNumbers = (limit: string | number) => {
  const b = exact(limit)
  return (value: string) => {
    const [x, y] = common(exact(value), b)
    return x < y ? -1 : x > y ? 1 : 0
  }
}

const compareDoubles = (limit: string | number) => {
  const b = Number(limit)
  return (value: string) => Number(value) - b
}

const compareTexts = (limit: string | number) => {
  const b = String(limit)
  return (value: string) => (value < b ? -1 : value > b ? 1 : 0)
}

const isMultiple = (of: number) => {
  const divisor = exact(of)
  return (value: string) => {
    const [x, y] = common(exact(value), divisor)
    return y !== 0n && x % y === 0n
  }
}

const matches = ({ source, flags }: NonNullable<Rules["pattern"]>) => {
  const pattern = new RegExp(source, flags.replace(/[gy]/g, ""))
  return (value: string) => pattern.test(value)
}

const comparisonOf = (type: ColumnType["type"]) => {
  if (type === "int" || type === "float" || type === "double") return compareDoubles
  return type === "long" || type.startsWith("decimal") ? compareNumbers : compareTexts
}

/** The rules of a primitive column; undefined if it has none. */
export const valueRule = (type: ColumnType["type"], rules: Rules = {}): Rule<string> | undefined => {
  const compare = comparisonOf(type)
  const { minLength, maxLength, pattern, oneOf, minimum, maximum, exclusiveMinimum, exclusiveMaximum } = rules
  const { multipleOf } = rules
  const kept: Array<Rule<string>> = []
  const characters = (count: number) => plural(count, "character")
  if (minLength !== undefined) {
    kept.push(rule((value) => value.length >= minLength, `must have at least ${characters(minLength)}`))
  }
  if (maxLength !== undefined) {
    kept.push(rule((value) => value.length <= maxLength, `must have at most ${characters(maxLength)}`))
  }
  if (pattern !== undefined) kept.push(rule(matches(pattern), `must match /${pattern.source}/${pattern.flags}`))
  if (oneOf !== undefined) {
    const allowed = new Set(oneOf)
    const names = oneOf.slice(0, 10).map((text) => JSON.stringify(text))
    const rest = oneOf.length > 10 ? ", …" : ""
    kept.push(rule((value) => allowed.has(value), `must be one of ${names.join(", ")}${rest}`))
  }
  const limit = (value: string | number | undefined, keeps: (order: number) => boolean, words: string) => {
    if (value === undefined) return
    const order = compare(value)
    kept.push(rule((one) => keeps(order(one)), `must be ${words} ${value}`))
  }
  limit(minimum, (order) => order >= 0, "at least")
  limit(maximum, (order) => order <= 0, "at most")
  limit(exclusiveMinimum, (order) => order > 0, "greater than")
  limit(exclusiveMaximum, (order) => order < 0, "less than")
  if (multipleOf !== undefined) kept.push(rule(isMultiple(multipleOf), `must be a multiple of ${multipleOf}`))
  return all(kept)
}

/** The rules for the number of elements of a list or entries of a map; undefined if there are none. */
export const sizeRule = ({ minItems, maxItems }: Rules = {}): Rule<number> | undefined => {
  const kept: Array<Rule<number>> = []
  if (minItems !== undefined) {
    kept.push(rule((size) => size >= minItems, `must have at least ${plural(minItems, "element")}`))
  }
  if (maxItems !== undefined) {
    kept.push(rule((size) => size <= maxItems, `must have at most ${plural(maxItems, "element")}`))
  }
  return all(kept)
}
