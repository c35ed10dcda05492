/** Files that the sink has written and not committed yet look like orphans: how long that may have been so. */
import { Effect, Option, Stream } from "effect"
import type { EventLogReader } from "../../../services/EventLog.ts"
import type { SinkCommit, SinkCommits } from "../../../services/SinkCommits.ts"

const untold = "what the sink has committed cannot be told"

/** Why a file of nobody may still be the sink's, as the end of a sentence; none if all from before `before` is committed. */
export const uncommittedSince = Effect.fn("Uncommitted.since")(
  function* (
    { log, commits }: { readonly log: EventLogReader["Service"]; readonly commits: SinkCommits["Service"] },
    newest: Option.Option<SinkCommit>,
    before: number
  ) {
    if (Option.isNone(newest)) return Option.some(untold)
    const positions = (yield* commits.positions([newest.value])).get(newest.value.id)
    if (positions === undefined) return Option.some(untold)
    const { partitions } = yield* log.bounds
    for (const { partition, start, end } of partitions) {
      const offset = positions.find((position) => position.partition === partition)?.offset ?? start
      if (offset >= end) continue
      const first = yield* Stream.runHead(log.read({ partition, offset }, { until: "end" }))
      if (Option.exists(first, ({ acceptedAt }) => acceptedAt < before)) {
        return Option.some(`events of ${new Date(before).toISOString()} and before are not in the table yet`)
      }
    }
    return Option.none<string>()
  },
  Effect.catch((error) => Effect.succeed(Option.some(`${untold} (${error.message.replace(/\.$/, "")})`)))
)
