/** Which processors are rebuilt together: one, and all that read what it writes. */
import { Effect, Option, Schema } from "effect"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { builtIn } from "../declaration/builtIn.ts"
import * as Declaration from "../declaration/Declaration.ts"
import { inOrder } from "../process/inOrder.ts"
import { nearest } from "../runtime/nearest.ts"

/** Why a processor cannot be rebuilt: sentences. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

/** The streams that processors write. */
export const streamsOf = (definitions: ReadonlyArray<ProcessorDefinition>) =>
  definitions.flatMap(({ late, to }) => (late === null ? [to] : [to, late]))

/** Those that read what one of `chosen` writes, directly or through others, and `chosen`. */
export const withDependents = (
  chosen: ReadonlyArray<ProcessorDefinition>,
  all: ReadonlyArray<ProcessorDefinition>
): ReadonlyArray<ProcessorDefinition> => {
  const found = new Set(chosen)
  for (const one of found) {
    for (const other of all) if (streamsOf([one]).includes(other.from)) found.add(other)
  }
  return [...found]
}

/** As the module declares them now, each after those that it reads from. */
export const rebuiltTogether = Effect.fnUntraced(function* (name: string) {
  const file = Option.getOrUndefined(yield* Declaration.find)
  const declared = file === undefined ? [] : ((yield* Declaration.read(file)).processors ?? [])
  const all = [...(builtIn.processors ?? []), ...declared]
  const first = all.find((one) => one.name === name)
  if (first === undefined) {
    const names = all.map((one) => one.name)
    const near = nearest(name, names)
    const hint = near === undefined ? `it declares ${names.join(", ")}.` : `did you mean ${near}?`
    return yield* new Refused({ message: `The module does not declare the processor ${name}; ${hint}` })
  }
  return inOrder(withDependents([first], all))
})
