/** A setting of Floe: how one is declared, and the list of all that were. */
import { Config, Redacted, Schema } from "effect"

/** `meaning` is Markdown. */
interface About {
  readonly meaning: string
  readonly readBy: string
  /** The profile that has this setting; both if undefined. */
  readonly profile?: "embedded" | "distributed"
  readonly secret?: boolean
}

export interface Setting extends About {
  readonly name: string
  /** As written in the environment; undefined without a default. */
  readonly byDefault: string | undefined
  /** What applies without a default. */
  readonly without: string
  readonly config: Config.Config<unknown>
}

/** All settings, in the order in which they were declared. */
export const described: Array<Setting> = []

const written = (value: unknown) => {
  if (value instanceof URL) return value.href.replace(/\/$/, "")
  return Redacted.isRedacted(value) ? String(Redacted.value(value)) : String(value)
}

export const setting = <A, const D>(
  name: string,
  of: (name: string) => Config.Config<A>,
  byDefault: D,
  about: About
) => {
  const config = of(name).pipe(Config.withDefault(byDefault))
  described.push({ ...about, name, byDefault: written(byDefault), without: "none", config })
  return config
}

/** A setting without a default. */
export const optional = <A>(name: string, of: (name: string) => Config.Config<A>, about: About, without = "none") => {
  const config = Config.option(of(name))
  described.push({ ...about, name, byDefault: undefined, without, config })
  return config
}

export const oneOf =
  <const L extends ReadonlyArray<string>>(literals: L) =>
  (name: string) =>
    Config.Literals(literals, name)
export const number = Schema.FiniteFromString
const positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
export const count = (name: string) => Config.schema(number.pipe(Schema.decodeTo(positive)), name)
/** localhost:9998 is a URL too, with the protocol `localhost:`. */
const isWebAddress = Schema.makeFilter(({ protocol }: URL) => protocol === "http:" || protocol === "https:", {
  message: "expected an address that begins with http:// or https://"
})
export const webAddress = (name: string) => Config.schema(Schema.URLFromString.check(isWebAddress), name)
