/** Check that the sink commits: a connector can be RUNNING and commit nothing. */
import { Clock, Duration, Effect, Option, Stream } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { Connector, sinkConnector } from "../../../../services/Connector.ts"
import { EventLogReader, type PartitionBounds } from "../../../../services/EventLog.ts"
import { TableReader, type TableSnapshot } from "../../../../services/TableReader.ts"

const leastCommitLagLimit = 60_000
const intervals = 6

/** The first offset that is not in the table. Where the control topic does not have it, that of the first event after the last commit. */
const firstMissing = Effect.fnUntraced(function* (
  { partition, start, end }: PartitionBounds,
  snapshot: TableSnapshot | undefined
) {
  if (snapshot === undefined) return start
  const known = snapshot.log?.positions.find((position) => position.partition === partition)?.offset
  if (known !== undefined) return Math.max(start, known)
  return yield* (yield* EventLogReader).firstAt({ partition, start, end }, snapshot.committedAt)
})

/** `commitLagLimit`: how long an event may be in the topic but not in the table; by default, several of the connector's intervals. */
export const commits = (commitLagLimit: Duration.Duration | undefined) => ({
  name: "commits",
  ok: "Every event that was logged more than a minute, or several commit intervals, ago is in the table.",
  needs: ["connector", "topics", "coordinators", "table", "locks", "offsets"],
  run: Effect.gen(function* () {
    const log = yield* EventLogReader
    const config = yield* (yield* Connector).config(sinkConnector)
    const interval = Number(config["iceberg.control.commit.interval-ms"] ?? 300_000)
    const limit =
      commitLagLimit === undefined
        ? Math.max(leastCommitLagLimit, intervals * interval)
        : Duration.toMillis(commitLagLimit)
    const snapshot = Option.getOrUndefined(yield* (yield* TableReader).current)
    const { partitions } = yield* log.bounds
    const waiting = yield* Effect.forEach(partitions, (partition) =>
      Effect.gen(function* () {
        const offset = yield* firstMissing(partition, snapshot)
        if (offset >= partition.end) return []
        const event = yield* Stream.runHead(log.read({ partition: partition.partition, offset }, { until: "end" }))
        return Option.match(event, { onNone: () => [], onSome: (event) => [{ event, left: partition.end - offset }] })
      })
    )
    const now = yield* Clock.currentTimeMillis
    const [oldest] = waiting.flat().sort((a, b) => a.event.acceptedAt - b.event.acceptedAt)
    if (oldest === undefined || now - oldest.event.acceptedAt <= limit) return []
    const ago = (millis: number) => `${Math.round((now - millis) / 1000).toLocaleString("en-US")} s`
    const { partition, offset } = oldest.event.position
    const event = `event ${offset} of partition ${partition} has been in the topic for ${ago(oldest.event.acceptedAt)}`
    const left = `events not in the table: ${waiting.flat().reduce((sum, { left }) => sum + left, 0)}`
    const consequence = "Queries do not see the events logged since then."
    const finding: Finding =
      snapshot !== undefined && now - snapshot.committedAt <= limit
        ? {
            finding: `The sink commits but is behind: ${event}; ${left}.`,
            consequence,
            fix: "Let it catch up; floe status --watch shows the lag shrink."
          }
        : {
            finding: `The connector is running but commits nothing: ${event}; ${snapshot === undefined ? "there has never been a commit" : `the last commit was ${ago(snapshot.committedAt)} ago`}; ${left}.`,
            consequence,
            fix: "`floe connector restart`; if it still commits nothing after a minute, docker compose logs kafka-connect shows why."
          }
    return [finding]
  })
})
