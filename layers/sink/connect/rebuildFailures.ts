/** What goes wrong on the way, as who asked for the replay is told it; and what is worth another try. */
import { Effect, Schedule } from "effect"
import { RebuildRefused, RebuildUnavailable } from "../../../services/Rebuild.ts"
import { monotonic } from "../../runtime/elapsed.ts"

interface Failure extends Error {
  readonly _tag: string
}

/** Something restarts, or a rebalance goes on: a minute in all. */
const again = Schedule.spaced("3 seconds").pipe(Schedule.upTo({ duration: "1 minute" }), monotonic)

const isAway = ({ _tag }: Failure) => _tag.endsWith("Unavailable") && _tag !== "RebuildUnavailable"

export const retryWhileStarting = <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, { schedule: again, while: isAway })

export const continues = "the same command goes on"

/** A sentence ends here, or a trace of many lines. */
const ended = (message: string) => (/[.!?]$/.test(message) ? message : `${message}.`)

/** With what it leaves behind. */
export const leaving = (left: string) => (error: Failure) =>
  error instanceof RebuildRefused
    ? error
    : new RebuildUnavailable({ reason: `${ended(error.message)} ${left}`, cause: error })

export const unavailable = (error: Failure) =>
  error instanceof RebuildRefused || error instanceof RebuildUnavailable
    ? error
    : new RebuildUnavailable({ reason: `${ended(error.message)} When that is mended, ${continues}.`, cause: error })
