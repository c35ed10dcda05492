/** Shared by the commands of `floe dlq`. */
import { Effect, Option } from "effect"
import { Argument } from "effect/cli"
import { DeadLetters } from "../../../services/DeadLetters.ts"
import { positionOf } from "../../ingest/deadletters/Correction.ts"
import { counted, withProgress } from "./Progress.ts"

/** Reads the dead letters, with a progress line. */
export const opened = withProgress(({ show }) =>
  Effect.flatMap(DeadLetters, ({ now }) =>
    now((read, total) => show(() => `${counted(read)} of ${counted(total)} messages read`))
  )
)

export const position = Argument.String("position").pipe(
  Argument.withDescription("Position of a dead letter as shown by floe dlq list: 0/12, or 12 for partition 0"),
  Argument.filterMap(
    (text) => Option.fromUndefinedOr(positionOf(text)),
    (text) => `Expected the position of a dead letter (for example, 0/12), but got ${text}`
  )
)
