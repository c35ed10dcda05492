/**
 * What can be wrong with an installation, and how to find out.
 * Owns: the list of checks of a profile. Does not own: fixing what they find.
 */
import { Context, type Effect, Schema } from "effect"

export const Finding = Schema.Struct({
  /** What is wrong, as a sentence. */
  finding: Schema.String,
  /** What it leads to, as a sentence. */
  consequence: Schema.String,
  /** What fixes it: a command, or what to do by hand. */
  fix: Schema.String,
  /** Nothing is wrong yet, but it is worth knowing. */
  warning: Schema.optionalKey(Schema.Literal(true))
})
export type Finding = typeof Finding.Type

/** Whether there is something to repair. */
export const needsFix = (findings: ReadonlyArray<Finding>) => findings.some(({ warning }) => warning !== true)

/** The check could not be made, so nothing is known. */
export class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", {
  /** A sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

export interface Check<E = CheckFailed, R = never> {
  /** One word, for example `disk`. */
  readonly name: string
  /** What holds if the check finds nothing, as a sentence. */
  readonly ok: string
  /** Names of earlier checks. While one of them finds something, this one would only repeat it and is skipped. Names of checks that are not in the list are ignored. */
  readonly needs?: ReadonlyArray<string>
  /** Empty if nothing is wrong. */
  readonly run: Effect.Effect<ReadonlyArray<Finding>, E, R>
}

export class Checks extends Context.Service<Checks, { readonly all: ReadonlyArray<Check> }>()("floe/services/Checks") {}
