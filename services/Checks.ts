/**
 * What can be wrong with an installation, and how to find out.
 * Owns: the list of checks of a profile. Does not own: mending.
 */
import { Context, type Effect, Schema } from "effect"

export const Finding = Schema.Struct({
  /** What is wrong, as a sentence. */
  finding: Schema.String,
  /** What it leads to, as a sentence. */
  consequence: Schema.String,
  /** What mends it: a command, or what to do by hand. */
  fix: Schema.String,
  /** Worth knowing, and nothing is wrong yet. */
  warning: Schema.optionalKey(Schema.Literal(true))
})
export type Finding = typeof Finding.Type

/** Whether there is something to repair. */
export const needsFix = (findings: ReadonlyArray<Finding>) => findings.some(({ warning }) => warning !== true)

export interface Check {
  /** One word for it, such as `disk`. */
  readonly name: string
  /** What is well if nothing is found. */
  readonly ok: string
  /** Names of checks before this one: while one of them finds something, this one would only say the same again. Those that are not there count as well. */
  readonly needs?: ReadonlyArray<string>
  /** Empty if nothing is wrong; a failure says why it could not be checked. */
  readonly run: Effect.Effect<ReadonlyArray<Finding>, Error>
}

export class Checks extends Context.Service<Checks, { readonly all: ReadonlyArray<Check> }>()("floe/services/Checks") {}
