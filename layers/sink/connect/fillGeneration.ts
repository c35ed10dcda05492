/** Fills a generation of processors: its topics, which the service `processor` does, and a table beside each stream's. */
import { Duration, Effect, Schedule, Stream } from "effect"
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { type Discards, Rebuild } from "../../../services/Rebuild.ts"
import { ProcessorReports } from "../../process/ProcessorReports.ts"
import { monotonic, monotonicMillis } from "../../runtime/elapsed.ts"
import { Refused, streamsOf } from "../rebuiltTogether.ts"
import { requireSameDefinition } from "./generationChecks.ts"

type OnProgress = (step: string) => Effect.Effect<void>

const lookInterval = "1 second"
/** A copy of the service begins after 3 s of silence; a killed one leaves a transaction that is open for a minute. */
const longestStandstill = Duration.minutes(3)
const brokerRestart = Schedule.spaced("2 seconds").pipe(Schedule.upTo({ duration: "3 minutes" }), monotonic)

/** The table beside the stream's, until it is promoted. */
export const tableOf = (stream: string, generation: number) => `${stream}_rebuild_${generation}`

const isUnavailable = ({ _tag }: { readonly _tag: string }) => _tag === "LogUnavailable"

/** Until a processor has processed what was in its input a moment ago. */
export const processed = Effect.fnUntraced(function* ({ name }: ProcessorDefinition, onProgress: OnProgress) {
  const { find } = yield* ProcessorReports
  let known = { next: 0, end: Number.POSITIVE_INFINITY, lag: Number.POSITIVE_INFINITY }
  let since = yield* monotonicMillis
  for (;;) {
    const { end, lag, next } = yield* Effect.retry(find(name), { schedule: brokerRestart, while: isUnavailable })
    if (lag === 0 || lag <= end - known.end) return
    const now = yield* monotonicMillis
    // By key, `next` is how far the input is copied: the end of that is not the end of the work.
    if (next > known.next || lag < known.lag) since = now
    if (now - since > Duration.toMillis(longestStandstill)) {
      return yield* new Refused({
        message: `The service processor has processed nothing for ${Duration.toMinutes(longestStandstill)} minutes, with ${lag} events of ${name} to come; docker compose logs processor says why. Nothing was changed.`
      })
    }
    known = { next, end, lag }
    yield* onProgress(`${name}: ${next} events are processed, ${lag} to come`)
    yield* Effect.sleep(lookInterval)
  }
})

/** Its topics exist. Streams here gives those of the new generation. */
export const fill = Effect.fnUntraced(function* (
  definitions: ReadonlyArray<ProcessorDefinition>,
  generation: number,
  discard: Discards,
  onProgress: OnProgress
) {
  yield* onProgress("waiting for the service processor to load the module")
  for (const one of definitions) {
    yield* processed(one, onProgress)
    yield* requireSameDefinition(one)
  }
  const rebuild = yield* Rebuild
  for (const stream of streamsOf(definitions)) {
    yield* onProgress(`${stream}: its new table is being made`)
    yield* rebuild
      .into(tableOf(stream, generation), { stream, finished: true, discard })
      .pipe(Stream.runForEach(({ events }) => onProgress(`${stream}: ${events} rows are in its new table`)))
  }
})
