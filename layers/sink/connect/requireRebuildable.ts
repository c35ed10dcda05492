/** What a rebuild of processors requires of those that are applied. */
import { Effect } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { Refused, withDependents } from "../rebuiltTogether.ts"

/** Each is applied, writes the streams that it wrote, and all that read them are among them. */
export const requireRebuildable = Effect.fnUntraced(function* (definitions: ReadonlyArray<ProcessorDefinition>) {
  const refuse = (message: string) => Effect.fail(new Refused({ message }))
  const applied = yield* (yield* Streams).processors
  const missing = definitions.find(({ name }) => !applied.some((one) => one.name === name))
  if (missing !== undefined) {
    return yield* refuse(
      `The processor ${missing.name} has not been applied. Run floe streams apply first; if it refuses what has changed in another processor, change that back, apply, and change it again.`
    )
  }
  const before = applied.filter(({ name }) => definitions.some((one) => one.name === name))
  const moved = definitions.find(({ late, name, to }) =>
    before.some((was) => was.name === name && (was.to !== to || was.late !== late))
  )
  if (moved !== undefined) {
    return yield* refuse(
      `The processor ${moved.name} writes other streams than before; give it another name and another output stream.`
    )
  }
  const reader = withDependents(before, applied).find(({ name }) => !definitions.some((one) => one.name === name))
  if (reader !== undefined) {
    return yield* refuse(
      `The processor ${reader.name} reads what is rebuilt, and the module does not declare it any more; declare it again.`
    )
  }
})
