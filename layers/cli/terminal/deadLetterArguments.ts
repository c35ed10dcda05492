/** Shared by the commands of `floe dlq`. */
import { Effect, Option } from "effect"
import { Argument } from "effect/cli"
import { DeadLetters } from "../../../services/DeadLetters.ts"
import { weather } from "../../../services/TableReader.ts"
import { positionOf } from "../../ingest/deadletters/Correction.ts"
import { counted, withProgress } from "./Progress.ts"
import { streamNamed } from "./streamFlag.ts"

/** Reads the dead letters of a stream, with a progress line. */
export const opened = Effect.fnUntraced(function* (stream: string) {
  if (stream !== weather) yield* streamNamed(stream)
  const { now } = yield* DeadLetters
  return yield* withProgress(({ show }) =>
    now(stream, (read, total) => show(() => `${counted(read)} of ${counted(total)} messages read`))
  )
})

export const position = Argument.String("position").pipe(
  Argument.withDescription("Position of a dead letter as shown by floe dlq list: 0/12, or 12 for partition 0"),
  Argument.filterMap(
    (text) => Option.fromUndefinedOr(positionOf(text)),
    (text) => `Expected the position of a dead letter (for example, 0/12), but got ${text}`
  )
)
