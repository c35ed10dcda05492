/** Files that the sink has written but not yet committed look like orphans; this checks whether there may be any. */
import { Effect, Option, Stream } from "effect"
import { EventLogReader, type LogReader } from "../../../services/EventLog.ts"
import { type SinkCommit, SinkCommits } from "../../../services/SinkCommits.ts"
import { weather } from "../../../services/TableReader.ts"

const unknown = "it is unknown what the sink has committed"

/** Why an orphan may still be the sink's, as the end of a sentence; none if all events from before `before` are committed. */
export const uncommittedSince = Effect.fn("UncommittedFiles.uncommittedSince")(
  function* (newest: Option.Option<SinkCommit>, before: number, stream = weather) {
    const reader = yield* EventLogReader
    const log: LogReader = stream === weather ? reader : reader.of(stream)
    const commits = yield* SinkCommits
    if (Option.isNone(newest)) return Option.some(unknown)
    const positions = (yield* commits.positions([newest.value], stream)).get(newest.value.id)
    if (positions === undefined) return Option.some(unknown)
    const { partitions } = yield* log.bounds
    for (const { partition, start, end } of partitions) {
      const offset = positions.find((position) => position.partition === partition)?.offset ?? start
      if (offset >= end) continue
      const first = yield* Stream.runHead(log.read({ partition, offset }, { until: "end" }))
      if (Option.exists(first, ({ acceptedAt }) => acceptedAt < before)) {
        return Option.some(`events from ${new Date(before).toISOString()} and earlier are not in the table yet`)
      }
    }
    return Option.none<string>()
  },
  Effect.catch((error) => Effect.succeed(Option.some(`${unknown} (${error.message.replace(/\.$/, "")})`)))
)
