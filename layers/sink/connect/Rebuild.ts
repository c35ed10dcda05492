import { Effect, Exit, Layer, Option, Stream } from "effect"
import type { Connector } from "../../../services/Connector.ts"
import type { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { EventLogReader, type LogBounds, type LogReader, type Position } from "../../../services/EventLog.ts"
import type { Query } from "../../../services/Query.ts"
import {
  type Discards,
  Rebuild,
  type RebuildProgress,
  RebuildRefused,
  RebuildUnavailable
} from "../../../services/Rebuild.ts"
import { replication, s3 } from "../../../services/Settings.ts"
import type { SinkCommits } from "../../../services/SinkCommits.ts"
import type { Streams } from "../../../services/Streams.ts"
import { weather } from "../../../services/TableReader.ts"
import type { Topics } from "../../../services/Topics.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import { type OnProgress, promote } from "./promote.ts"
import * as RebuildRun from "./RebuildRun.ts"
import { type Names, namesOf } from "./rebuildConnector.ts"
import { retryWhileUnavailable, unavailable } from "./rebuildFailures.ts"
import { eventsWithin, remaining, startingPositions, sum } from "./rebuildProgress.ts"
import { type RebuildTarget, targetOf } from "./rebuildTarget.ts"

const pollInterval = "1 second"
/** Three commits: after that without progress, the rest may be messages that the connector rejects. */
const idleMillis = 15_000
/** A killed worker needs half a minute. */
const stalledMillis = 180_000

interface Checkpoint {
  readonly events: number
  readonly since: number
}

const logOf = (name: string) => EventLogReader.useSync((log): LogReader => (name === weather ? log : log.of(name)))

const isDrained = Effect.fnUntraced(function* (
  { name }: RebuildTarget,
  positions: ReadonlyArray<Position>,
  ends: ReadonlyArray<Position>
) {
  const log = yield* logOf(name)
  for (const { end, ...position } of remaining(positions, ends)) {
    const next = yield* Stream.runHead(log.read(position, { until: "end" }))
    if (Option.isSome(next) && next.value.position.offset < end) return false
  }
  return true
})

const tablePositions = Effect.fnUntraced(function* (target: RebuildTarget, names: Names, { partitions }: LogBounds) {
  const { positions } = yield* retryWhileUnavailable(RebuildRun.state(target, names))
  return startingPositions(
    Option.getOrElse(positions, () => []),
    partitions
  )
})

const follow = (
  target: RebuildTarget,
  names: Names,
  bounds: LogBounds,
  ends: ReadonlyArray<Position>,
  resumedAt: number,
  startedAt: number
) => {
  const step = Effect.fnUntraced(function* (last: Checkpoint) {
    yield* Effect.sleep(pollInterval)
    const now = yield* monotonicMillis
    const positions = yield* tablePositions(target, names, bounds)
    const events = eventsWithin(positions, ends)
    const isComplete = remaining(positions, ends).length === 0
    const idle = events > last.events ? 0 : now - last.since
    const next: Checkpoint = idle === 0 ? { events, since: now } : last
    const done = isComplete || (idle >= idleMillis && (yield* isDrained(target, positions, ends)))
    if (!done && idle >= stalledMillis) {
      const reason = `The connector ${names.connector} has made no progress for ${stalledMillis / 60_000} minutes; check it with floe connector status ${names.connector}.`
      return yield* new RebuildUnavailable({ reason, cause: positions })
    }
    const progress: RebuildProgress = { events: next.events, total: sum(ends), resumedAt }
    return [[progress], done ? Option.none<Checkpoint>() : Option.some(next)] as const
  })
  return Stream.paginate({ events: resumedAt, since: startedAt }, step)
}

const requireWholeLog = Effect.fnUntraced(function* (name: string, { partitions }: LogBounds, discard: Discards) {
  const cut = partitions.find(({ start }) => start > 0)
  if (cut === undefined || discard.missingRows === true) return
  const reason = `The log begins at offset ${cut.start} of partition ${cut.partition}: earlier events have expired or were deleted, and only default.${name} still has them. To rebuild without them, add --discard-missing-rows.`
  return yield* new RebuildRefused({ reason })
})

export const layer = Layer.effect(
  Rebuild,
  Effect.gen(function* () {
    const services = yield* Effect.context<
      Connector | ConsumerGroups | EventLogReader | Query | SinkCommits | Streams | Topics
    >()
    const settings = { replication: yield* replication, bucket: (yield* s3).bucket }

    const into: Rebuild["Service"]["into"] = (table, { stream = weather, finished = false, discard = {} } = {}) => {
      const names = namesOf(table)
      return Effect.gen(function* () {
        const target = yield* targetOf(settings, stream, table)
        const { bounds: readBounds } = yield* logOf(stream)
        const bounds = yield* readBounds
        yield* requireWholeLog(stream, bounds, discard)
        const ends = bounds.partitions.map(({ partition, end }) => ({ partition, offset: end }))
        yield* RebuildRun.lock
        yield* Effect.addFinalizer((exit) => (Exit.hasInterrupts(exit) ? RebuildRun.stop(names) : Effect.void))
        yield* RebuildRun.start(target, names, finished)
        const resumedAt = eventsWithin(yield* tablePositions(target, names, bounds), ends)
        const finish = Effect.gen(function* () {
          yield* RebuildRun.stopAndWait(names.connector, [names.group, names.coordinator])
          yield* RebuildRun.requireSameColumns(target, names)
          const { positions, rows } = yield* retryWhileUnavailable(RebuildRun.state(target, names))
          yield* RebuildRun.discard(names)
          const last: RebuildProgress = {
            events: rows,
            total: Math.max(rows, sum(Option.getOrElse(positions, () => []))),
            resumedAt
          }
          return last
        })
        const first: RebuildProgress = { events: resumedAt, total: sum(ends), resumedAt }
        return Stream.succeed(first).pipe(
          Stream.concat(follow(target, names, bounds, ends, resumedAt, yield* monotonicMillis)),
          Stream.concat(finished ? Stream.empty : Stream.fromEffect(finish))
        )
      }).pipe(Stream.unwrap, Stream.mapError(unavailable), Stream.provideContext(services))
    }

    return Rebuild.of({
      into,
      promote: Effect.fn("Rebuild.promote")(
        (table: string, onProgress: OnProgress, discard: Discards = {}, stream = weather) =>
          promote(settings, stream, table, onProgress, discard),
        Effect.mapError(unavailable),
        Effect.provide(services)
      ),
      continuesWhenInterrupted: false
    })
  })
)
