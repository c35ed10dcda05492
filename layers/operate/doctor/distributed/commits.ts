/** Check of the sink's commits: what was logged a while ago is in the table. A connector can be RUNNING and commit nothing. */

import { Clock, Duration, Effect, Option, Stream } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { Connector } from "../../../../services/Connector.ts"
import { sinkConnector } from "../../../../services/Connector.ts"
import type { EventLogReader, PartitionBounds } from "../../../../services/EventLog.ts"
import type { TableReader, TableSnapshot } from "../../../../services/TableReader.ts"

const leastCommitLagLimit = 60_000
const intervals = 6

export interface CommitsOptions {
  readonly connector: Connector["Service"]
  readonly log: EventLogReader["Service"]
  readonly table: TableReader["Service"]
  /** How long an event may be in the topic and not in the table; without it, several of the connector's intervals. */
  readonly commitLagLimit: Duration.Duration | undefined
}

/** The first offset that is not in the table; where the sink's topic does not tell, of the first event after the last commit. */
const firstMissing = (
  log: EventLogReader["Service"],
  { partition, start, end }: PartitionBounds,
  snapshot: TableSnapshot | undefined
) => {
  if (snapshot === undefined) return Effect.succeed(start)
  const known = snapshot.log?.positions.find((position) => position.partition === partition)?.offset
  if (known !== undefined) return Effect.succeed(Math.max(start, known))
  return log.firstAt({ partition, start, end }, snapshot.committedAt)
}

export const commits = ({ connector, log, table, commitLagLimit }: CommitsOptions): Check => ({
  name: "commits",
  ok: "What was logged a minute or several commits ago is in the table.",
  needs: ["connector", "topics", "coordinators", "table", "locks", "offsets"],
  run: Effect.gen(function* () {
    const interval = Number((yield* connector.config(sinkConnector))["iceberg.control.commit.interval-ms"] ?? 300_000)
    const limit =
      commitLagLimit === undefined
        ? Math.max(leastCommitLagLimit, intervals * interval)
        : Duration.toMillis(commitLagLimit)
    const snapshot = Option.getOrUndefined(yield* table.current)
    const { partitions } = yield* log.bounds
    const waiting = yield* Effect.forEach(partitions, (partition) =>
      Effect.gen(function* () {
        const offset = yield* firstMissing(log, partition, snapshot)
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
    const left = waiting.flat().reduce((sum, { left }) => sum + left, 0)
    const consequence = "Queries do not see what was logged since."
    const finding: Finding =
      snapshot !== undefined && now - snapshot.committedAt <= limit
        ? {
            finding: `The sink is behind, and commits: ${event}; so many are not in the table: ${left}.`,
            consequence,
            fix: "Let it catch up; floe status --watch shows the lag shrink."
          }
        : {
            finding: `The connector runs and commits nothing: ${event}; ${snapshot === undefined ? "nothing was ever committed" : `the last commit was ${ago(snapshot.committedAt)} ago`}; so many are not in the table: ${left}.`,
            consequence,
            fix: "`floe connector restart`; where it commits nothing after a minute, docker compose logs kafka-connect says why."
          }
    return [finding]
  })
})
