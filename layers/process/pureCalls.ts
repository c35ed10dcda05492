/** Calls of user code that must be pure: what they do otherwise is an error with a sentence. */
import { isFunction } from "../declaration/compileProcessors.ts"
import { Impure, kindOf } from "./bind.ts"

/** Throws in place of a function that gives another value each time, or that does something outside. */
const forbidden = (name: string) => () => {
  throw new Impure(`calls ${name}, but a processor must give the same rows again; take times and ids from the events`)
}

const frozen = new WeakSet<object>()
const freeze = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null || frozen.has(value)) return value
  frozen.add(value)
  Object.freeze(value)
  for (const one of Object.values(value)) freeze(one)
  return value
}

interface Trap {
  readonly target: object
  readonly name: string
  readonly replacement?: unknown
  /** Of an accessor, in place of `replacement`. */
  readonly get?: () => unknown
}

const withoutClock = () => {
  const now = forbidden("new Date()")
  return new Proxy(Date, {
    construct: (target, values) => (values.length === 0 ? now() : Reflect.construct(target, values)),
    apply: () => now()
  })
}

const formatter = Intl.DateTimeFormat.prototype
const { formatToParts } = formatter
const format = Object.getOwnPropertyDescriptor(formatter, "format")?.get

/** Without a date, a formatter formats the current time. */
const requireDate = (name: string, date: unknown) => {
  if (date === undefined) forbidden(`${name}() of Intl.DateTimeFormat without a date`)()
}

const traps: ReadonlyArray<Trap> = [
  { target: globalThis, name: "Date", replacement: withoutClock() },
  { target: Date, name: "now", replacement: forbidden("Date.now()") },
  {
    target: formatter,
    name: "format",
    get(this: unknown) {
      const bound: Intl.DateTimeFormat["format"] = format?.call(this)
      return (date?: Date | number) => {
        requireDate("format", date)
        return bound(date)
      }
    }
  },
  {
    target: formatter,
    name: "formatToParts",
    replacement(this: Intl.DateTimeFormat, date?: Date | number) {
      requireDate("formatToParts", date)
      return formatToParts.call(this, date)
    }
  },
  { target: Math, name: "random", replacement: forbidden("Math.random()") },
  { target: performance, name: "now", replacement: forbidden("performance.now()") },
  { target: crypto, name: "randomUUID", replacement: forbidden("crypto.randomUUID()") },
  { target: crypto, name: "getRandomValues", replacement: forbidden("crypto.getRandomValues()") },
  ...["fetch", "setTimeout", "setInterval", "setImmediate", "queueMicrotask"].map((name) => ({
    target: globalThis,
    name,
    replacement: forbidden(`${name}()`)
  }))
]

const trapped = <A>(call: () => A): A => {
  const before = traps.map(({ name, target }) => ({
    name,
    target,
    property: Object.getOwnPropertyDescriptor(target, name)
  }))
  for (const { get, name, replacement, target } of traps) {
    const property = get === undefined ? { value: replacement, writable: true } : { get }
    Object.defineProperty(target, name, { ...property, configurable: true })
  }
  try {
    return call()
  } finally {
    for (const { name, property, target } of before) {
      if (property === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, property)
    }
  }
}

const isMutation = (cause: unknown) =>
  cause instanceof TypeError &&
  /read only property|not extensible|Cannot delete property|Cannot redefine/.test(cause.message)

/** The options with functions that fail unless they are pure; what they are given cannot be changed, `zero` neither. */
export const pureOptions = (options: ReadonlyMap<string, unknown>): object =>
  Object.fromEntries([...options].map(([name, option]) => [name, isFunction(option) ? pure(option) : option]))

export const pure = (call: (...values: ReadonlyArray<unknown>) => unknown) => {
  return (...values: ReadonlyArray<unknown>) => {
    for (const value of values) freeze(value)
    let result: unknown
    try {
      result = trapped(() => call(...values))
    } catch (cause) {
      if (!isMutation(cause)) throw cause
      throw new Impure("changes what it is given; make a new object instead: { ...state, n: state.n + 1 }", { cause })
    }
    if (kindOf(result) === "a promise") {
      throw new Impure("gives a promise; the functions of a processor are synchronous")
    }
    return freeze(result)
  }
}
