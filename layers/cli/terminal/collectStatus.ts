/** How everything is at this moment: the components, the log, the table, and how far one is behind the other. */
import { Clock, type Duration, Effect, Option, Schema, Stream } from "effect"
import { Components } from "../../../services/Components.ts"
import { EventLogReader, type LogBounds } from "../../../services/EventLog.ts"
import { profile as profileSetting } from "../../../services/Settings.ts"
import { TableReader, type TableSnapshot } from "../../../services/TableReader.ts"
import { time } from "./listing.ts"

const logLimit = "5 seconds"
/** Trino's first query after its start takes 7 to 10 s. */
const tableLimit = "15 seconds"
/** What a query needs may be what is down, and Trino tries for minutes. */
const tableLimitIll = "4 seconds"

class ProbeTimeout extends Schema.TaggedError<ProbeTimeout>()("ProbeTimeout", { limit: Schema.String }) {
  override get message() {
    return `There is no answer within ${this.limit}.`
  }
}

const within = (limit: Duration.Input & string) =>
  Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(new ProbeTimeout({ limit })) })

/** Of each partition what is not in the table yet; null where the table does not tell, or is ahead: of another log. */
const remainders = ({ partitions }: LogBounds, current: TableSnapshot | null) => {
  if (current !== null && current.log === null) return null
  const committed = new Map(current?.log?.positions.map(({ partition, offset }) => [partition, offset]))
  if (partitions.some(({ partition, end }) => (committed.get(partition) ?? 0) > end)) return null
  return partitions.map(({ partition, start, end }) => ({
    partition,
    offset: Math.max(start, committed.get(partition) ?? start),
    end
  }))
}
type Remainder = NonNullable<ReturnType<typeof remainders>>[number]

/** Seconds since the oldest event that is not in the table was accepted; null if it cannot be read. */
const ageOf = (log: EventLogReader["Service"], remainders: ReadonlyArray<Remainder>) =>
  Effect.gen(function* () {
    const oldest = yield* Effect.forEach(
      remainders.filter(({ offset, end }) => offset < end),
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
    /** How many events of the log, over all partitions. */
    committed: positions === null ? null : positions.reduce((sum, { offset }) => sum + offset, 0),
    positions,
    rows: current.rows,
    files: current.files,
    bytes: current.bytes
  }
}

/** What cannot be read is null, and `unread` says why. */
export const collectStatus = Effect.gen(function* () {
  const log = yield* EventLogReader
  const table = yield* TableReader
  // One after the other: both at once would make the components look slow.
  const components = yield* (yield* Components).look
  const limit = components.some(({ state }) => state === "down") ? tableLimitIll : tableLimit
  // The table first: what is in it is in the log by then.
  const data = Effect.gen(function* () {
    const read = yield* Effect.result(within(limit)(table.current))
    const bounds = yield* Effect.result(within(logLimit)(log.bounds))
    const current = read._tag === "Success" ? Option.getOrNull(read.success) : null
    const behind = bounds._tag === "Success" && read._tag === "Success" ? remainders(bounds.success, current) : null
    const now = yield* Clock.currentTimeMillis
    return {
      log: bounds._tag === "Success" ? logOf(bounds.success) : null,
      table: current === null ? null : tableOf(current, now),
      lag: {
        events: behind === null ? null : behind.reduce((sum, { offset, end }) => sum + end - offset, 0),
        seconds: behind === null ? null : yield* ageOf(log, behind)
      },
      unread: {
        log: bounds._tag === "Success" ? null : bounds.failure.message,
        table: read._tag === "Success" ? null : read.failure.message
      }
    }
  })
  return { profile: yield* profileSetting, at: time(yield* Clock.currentTimeMillis), components, ...(yield* data) }
}).pipe(Effect.withSpan("Status.look"))

export type Status = Effect.Success<typeof collectStatus>
