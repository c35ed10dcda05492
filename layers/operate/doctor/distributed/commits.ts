/** Check that the sink commits: a connector can be RUNNING and commit nothing. */
import { Clock, Duration, Effect, Option, Stream } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { Connector, connectorOf } from "../../../../services/Connector.ts"
import { EventLogReader, type LogReader, type PartitionBounds } from "../../../../services/EventLog.ts"
import type { StreamDefinition } from "../../../../services/StreamDefinition.ts"
import { StreamSinks } from "../../../../services/StreamSinks.ts"
import { type TableReadError, TableReader, type TableSnapshot, weather } from "../../../../services/TableReader.ts"

const leastCommitLagLimit = 60_000
const intervals = 6

/** The first offset that is not in the table. Where the control topic does not have it, that of the first event after the last commit. */
const firstMissing = Effect.fnUntraced(function* (
  log: LogReader,
  { partition, start, end }: PartitionBounds,
  snapshot: TableSnapshot | undefined
) {
  if (snapshot === undefined) return start
  const known = snapshot.log?.positions.find((position) => position.partition === partition)?.offset
  if (known !== undefined) return Math.max(start, known)
  return yield* log.firstAt({ partition, start, end }, snapshot.committedAt)
})

interface Sink {
  readonly stream: string
  /** Whether a processor writes it, so that markers of transactions are counted too. */
  readonly isDerived?: boolean
  readonly log: LogReader
  readonly table: Effect.Effect<Option.Option<TableSnapshot>, TableReadError>
}

const late = Effect.fnUntraced(function* (
  { isDerived = false, log, stream, table }: Sink,
  commitLagLimit: Duration.Duration | undefined
) {
  const config = yield* (yield* Connector).config(connectorOf(stream))
  const interval = Number(config["iceberg.control.commit.interval-ms"] ?? 300_000)
  const limit =
    commitLagLimit === undefined
      ? Math.max(leastCommitLagLimit, intervals * interval)
      : Duration.toMillis(commitLagLimit)
  const snapshot = Option.getOrUndefined(yield* table)
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
  const left = `events not in the table: ${isDerived ? "at most " : ""}${waiting.flat().reduce((sum, { left }) => sum + left, 0)}`
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
          fix: `\`floe connector restart${stream === weather ? "" : ` ${connectorOf(stream)}`}\`; if it still commits nothing after a minute, docker compose logs kafka-connect shows why.`
        }
  return [finding]
})

/** `commitLagLimit`: how long an event may be in the topic but not in the table; by default, several of the connector's intervals. */
export const commits = (commitLagLimit: Duration.Duration | undefined) => ({
  name: "commits",
  ok: "Every event that was logged more than a minute, or several commit intervals, ago is in the table.",
  needs: ["connector", "topics", "coordinators", "table", "locks", "offsets"],
  run: Effect.gen(function* () {
    const log = yield* EventLogReader
    return yield* late({ stream: weather, log, table: (yield* TableReader).current }, commitLagLimit)
  })
})

/** Of a stream beside weather. */
export const commitsOf = (
  { name: stream, writer }: StreamDefinition,
  commitLagLimit: Duration.Duration | undefined
) => ({
  name: `commits of ${stream}`,
  ok: `Every event of ${stream} that was logged more than a minute, or several commit intervals, ago is in its table.`,
  needs: [`connector of ${stream}`, `topics of ${stream}`, `table of ${stream}`, "locks"],
  run: Effect.gen(function* () {
    const log = (yield* EventLogReader).of(stream)
    const isDerived = writer !== undefined
    return yield* late({ stream, isDerived, log, table: (yield* StreamSinks).current(stream) }, commitLagLimit)
  })
})
