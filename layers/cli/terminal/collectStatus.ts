/** The status of a pipeline: components, log, table, and the lag between the two. */
import { Clock, type Duration, Effect, Option, Schema, Stream } from "effect"
import { Components } from "../../../services/Components.ts"
import { EventLogReader, type LogBounds, type LogReader } from "../../../services/EventLog.ts"
import { profile as profileSetting } from "../../../services/Settings.ts"
import { StreamSinks } from "../../../services/StreamSinks.ts"
import { Streams } from "../../../services/Streams.ts"
import { TableReader, type TableSnapshot, weather } from "../../../services/TableReader.ts"
import { ProcessorReports } from "../../process/ProcessorReports.ts"
import { time } from "./listing.ts"

const logLimit = "5 seconds"
/** Trino's first query after its start takes 7 to 10 s. */
const tableLimit = "15 seconds"
/** With a component down, a query is likely to hang: Trino retries for minutes. */
const tableLimitDegraded = "4 seconds"

/** Each asks the brokers and Trino a few times. */
const streamsAtOnce = 8

class ProbeTimeout extends Schema.TaggedError<ProbeTimeout>()("ProbeTimeout", { limit: Schema.String }) {
  override get message() {
    return `No answer within ${this.limit}.`
  }
}

const within = (limit: Duration.Input & string) =>
  Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(new ProbeTimeout({ limit })) })

/** The part of each partition that is not in the table yet. Null if the table records no position, or one beyond the end (another log). */
const backlogs = ({ partitions }: LogBounds, current: TableSnapshot | null) => {
  if (current !== null && current.log === null) return null
  const committed = new Map(current?.log?.positions.map(({ partition, offset }) => [partition, offset]))
  if (partitions.some(({ partition, end }) => (committed.get(partition) ?? 0) > end)) return null
  return partitions.map(({ partition, start, end }) => ({
    partition,
    offset: Math.max(start, committed.get(partition) ?? start),
    end
  }))
}
type Backlog = NonNullable<ReturnType<typeof backlogs>>[number]

/** Seconds since the oldest event that is not in the table was accepted; null if it cannot be read. */
const ageOf = (log: LogReader, backlogs: ReadonlyArray<Backlog>) =>
  Effect.gen(function* () {
    const oldest = yield* Effect.forEach(
      backlogs.filter(({ offset, end }) => offset < end),
      ({ partition, offset }) => Stream.runHead(log.read({ partition, offset }, { until: "end" })),
      { concurrency: 4 }
    )
    const accepted = oldest.flatMap((event) => Option.toArray(Option.map(event, ({ acceptedAt }) => acceptedAt)))
    if (accepted.length < oldest.length) return null
    if (accepted.length === 0) return 0
    return Math.max(0, (yield* Clock.currentTimeMillis) - Math.min(...accepted)) / 1000
  }).pipe(
    within(logLimit),
    Effect.orElseSucceed(() => null)
  )

const logOf = ({ logId, partitions }: LogBounds) => ({
  id: logId,
  partitions,
  end: partitions.reduce((sum, { end }) => sum + end, 0)
})

const tableOf = (current: TableSnapshot, now: number) => {
  const positions = current.log?.positions ?? null
  return {
    snapshot: current.id,
    committedAt: time(current.committedAt),
    committedSecondsAgo: Math.max(0, now - current.committedAt) / 1000,
    committed: positions === null ? null : positions.reduce((sum, { offset }) => sum + offset, 0),
    positions,
    rows: current.rows,
    files: current.files,
    bytes: current.bytes
  }
}

/** Of one stream. Parts that cannot be read are null, and `unread` has the reason. */
const streamStatus = Effect.fnUntraced(function* (
  log: LogReader,
  snapshot: Effect.Effect<Option.Option<TableSnapshot>, { readonly message: string }>,
  limit: Duration.Input & string,
  hasMarkers = false
) {
  // The table first, so that the log is never behind it.
  const read = yield* Effect.result(within(limit)(snapshot))
  const bounds = yield* Effect.result(within(logLimit)(log.bounds))
  const current = read._tag === "Success" ? Option.getOrNull(read.success) : null
  const behind = bounds._tag === "Success" && read._tag === "Success" ? backlogs(bounds.success, current) : null
  const now = yield* Clock.currentTimeMillis
  return {
    log: bounds._tag === "Success" ? logOf(bounds.success) : null,
    table: current === null ? null : tableOf(current, now),
    lag: {
      events: behind === null ? null : behind.reduce((sum, { offset, end }) => sum + end - offset, 0),
      seconds: behind === null ? null : yield* ageOf(log, behind),
      // Markers of transactions are counted too.
      ...(hasMarkers ? { isAtMost: true } : {})
    },
    unread: {
      log: bounds._tag === "Success" ? null : bounds.failure.message,
      table: read._tag === "Success" ? null : read.failure.message
    }
  }
})

/** Every stream but weather. Streams that cannot be read are none: then weather's log cannot be read either. */
const otherStreams = Effect.fnUntraced(function* (limit: Duration.Input & string) {
  const logs = yield* EventLogReader
  const { current, failures, paused } = yield* StreamSinks
  const applied = yield* Effect.orElseSucceed((yield* Streams).all, () => [])
  const others = applied.map(({ definition }) => definition).filter(({ name }) => name !== weather)
  if (others.length === 0) return []
  const pausedNames = yield* paused
  const reasons = yield* failures
  const isKafka = (yield* profileSetting) === "distributed"
  return yield* Effect.forEach(
    others,
    Effect.fnUntraced(function* ({ name, writer }) {
      const { isWritten = false, reason = null } = reasons.get(name) ?? {}
      return {
        name,
        paused: pausedNames.includes(name),
        /** Why the sink cannot write it. */
        failed: isWritten ? null : reason,
        /** Why the sink, which writes it, cannot merge the files of its table. */
        unmaintained: isWritten ? reason : null,
        ...(yield* streamStatus(logs.of(name), current(name), limit, isKafka && writer !== undefined))
      }
    }),
    { concurrency: streamsAtOnce }
  )
})

/** Those of this log; those that cannot be read are none: floe doctor says why. */
const processors = Effect.gen(function* () {
  const reports = yield* Effect.orElseSucceed((yield* ProcessorReports).all, () => [])
  return reports.map(({ definition: { name }, lag, reason, state }) => ({ name, state, lag, reason }))
})

/** Weather first, and `streams` if there are others. */
export const collectStatus = Effect.gen(function* () {
  const log = yield* EventLogReader
  const table = yield* TableReader
  // Not concurrently with the queries below, which would distort the response times.
  const components = yield* (yield* Components).probe
  const limit = components.some(({ state }) => state === "down") ? tableLimitDegraded : tableLimit
  const profile = yield* profileSetting
  const at = time(yield* Clock.currentTimeMillis)
  const status = yield* streamStatus(log, table.current, limit)
  const streams = yield* otherStreams(limit)
  const derived = yield* processors
  return {
    profile,
    at,
    components,
    ...status,
    ...(streams.length === 0 ? {} : { streams }),
    ...(derived.length === 0 ? {} : { processors: derived })
  }
}).pipe(Effect.withSpan("Status.collect"))

export type Status = Effect.Success<typeof collectStatus>
export type ProcessorStatus = NonNullable<Status["processors"]>[number]
export type StreamStatus = NonNullable<Status["streams"]>[number]
