/** Turns failures of a rebuild into its own errors, and retries what is starting. */
import { Effect, Schedule } from "effect"
import { RebuildRefused, RebuildUnavailable } from "../../../services/Rebuild.ts"
import { monotonic } from "../../runtime/elapsed.ts"

interface Failure extends Error {
  readonly _tag: string
}

const unavailableRetries = Schedule.spaced("3 seconds").pipe(Schedule.upTo({ duration: "1 minute" }), monotonic)

const isUnavailable = ({ _tag }: Failure) => _tag.endsWith("Unavailable") && _tag !== "RebuildUnavailable"

/** Retries for a minute while a service restarts or a consumer group rebalances. */
export const retryWhileUnavailable = <A, E extends Failure, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, { schedule: unavailableRetries, while: isUnavailable })

export const continues = "run the same command again to continue"

const sentence = (message: string) => (/[.!?]$/.test(message) ? message : `${message}.`)

/** Adds what the failure leaves behind. */
export const leaving = (left: string) => (error: Failure) =>
  error instanceof RebuildRefused
    ? error
    : new RebuildUnavailable({ reason: `${sentence(error.message)} ${left}`, cause: error })

export const unavailable = (error: Failure) =>
  error instanceof RebuildRefused || error instanceof RebuildUnavailable
    ? error
    : new RebuildUnavailable({ reason: `${sentence(error.message)} After fixing this, ${continues}.`, cause: error })
