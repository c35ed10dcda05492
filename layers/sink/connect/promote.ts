/**
 * Puts a rebuilt table in place of the stream's.
 *
 * Stops the stream's sink, lets the rebuild catch up with it, and stops the rebuild too; then makes the one
 * commit, and the sink continues from the new table's position. After a crash at any point the same command is safe: the
 * rebuild continues, and the sink stays stopped until both its table and its place in the log are the new ones.
 */
import { Effect, Option, Schedule } from "effect"
import { Connector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import type { Position } from "../../../services/EventLog.ts"
import { type Discards, RebuildRefused, RebuildUnavailable } from "../../../services/Rebuild.ts"
import { weather } from "../../../services/TableReader.ts"
import { deadLettersOf, Topics } from "../../../services/Topics.ts"
import { monotonic, monotonicMillis } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import { applyLock } from "./applyLock.ts"
import { requireNoLostRows, requirePromotable } from "./promotionChecks.ts"
import * as RebuildRun from "./RebuildRun.ts"
import { type Names, namesOf } from "./rebuildConnector.ts"
import { continues, leaving, retryWhileUnavailable } from "./rebuildFailures.ts"
import { remaining, startingPositions } from "./rebuildProgress.ts"
import { type RebuildSettings, type RebuildTarget, targetOf } from "./rebuildTarget.ts"

/** A commit takes 5 seconds, or half a minute after a worker was killed. */
const stalledMillis = 180_000
const pollSchedule = Schedule.spaced("1 second")
/** Trino drops a statement whose client is gone after 5 minutes. */
const abandonedStatement = Schedule.spaced("2 seconds").pipe(Schedule.upTo({ duration: "6 minutes" }), monotonic)

const sinkStopped = ({ sink }: RebuildTarget) =>
  `The connector ${sink.connector} stays stopped, and the log keeps accepting events; do not resume the connector by hand: ${continues}.`

const wasStopped = ({ sink }: RebuildTarget) =>
  `The connector ${sink.connector} was already stopped and stays so. If a promotion was interrupted, do not resume the connector by hand: ${continues}.`

export type OnProgress = (step: string) => Effect.Effect<void>

const resumeOf = ({ sink }: RebuildTarget) =>
  Connector.use((connector) => retryWhileUnavailable(connector.resume(sink.connector)))

const isStopped = ({ sink }: RebuildTarget) =>
  Effect.map(
    Connector.use((connector) => retryWhileUnavailable(connector.status(sink.connector))),
    (status) => status.connector.state === "STOPPED"
  )

/** An earlier statement that is still running would undo what the sink commits later. */
const waitForOtherReplacement = Effect.fnUntraced(function* ({ name }: RebuildTarget) {
  const running = yield* Effect.repeat(retryWhileUnavailable(RebuildTable.isReplacing(name)), {
    schedule: abandonedStatement,
    until: (running) => !running
  })
  if (!running) return
  const reason = `Trino is still replacing default.${name} for an earlier command; check its running queries.`
  return yield* new RebuildUnavailable({ reason, cause: running })
})

const sinkPositions = Effect.fnUntraced(function* (
  { sink, topic }: RebuildTarget,
  partitions: ReadonlyArray<{ readonly partition: number; readonly end: number }>
) {
  const groups = yield* ConsumerGroups
  const group = yield* retryWhileUnavailable(groups.find(sink.group))
  const offsets = Option.match(group, { onNone: () => [], onSome: ({ offsets }) => offsets })
  // If the topic was deleted and recreated, the group may have offsets beyond the new topic's end.
  const endOf = (partition: number) => partitions.find((one) => one.partition === partition)?.end ?? 0
  return offsets
    .filter((offset) => offset.topic === topic)
    .map(({ partition, offset }): Position => ({ partition, offset: Math.min(offset, endOf(partition)) }))
})

/** Stops both connectors once the rebuilt table has all that the sink's table has. Returns its positions and rows. */
const catchUp = Effect.fnUntraced(function* (
  target: RebuildTarget,
  names: Names,
  discard: Discards,
  onProgress: OnProgress
) {
  const { sink } = target
  const rebuildGroups = [names.group, names.coordinator]
  yield* onProgress("stopping the connector")
  yield* RebuildRun.stopAndWait(sink.connector, [sink.group, sink.coordinator])
  const { partitions } = yield* RebuildRun.logTopic(target.topic)
  const wanted = yield* sinkPositions(target, partitions)
  const isEmpty = partitions.every(({ start, end }) => start === end)
  const startedAt = yield* monotonicMillis
  const caughtUp = Effect.gen(function* () {
    yield* onProgress("waiting for the rest of the log")
    const { positions, rows } = yield* retryWhileUnavailable(RebuildRun.state(target, names))
    const reached = Option.orElse(positions, () => (isEmpty && rows === 0 ? Option.some([]) : Option.none()))
    if (Option.isSome(reached)) {
      const current = startingPositions(reached.value, partitions)
      if (remaining(current, wanted).length === 0) return Option.some({ positions: current, rows })
    }
    if ((yield* monotonicMillis) - startedAt < stalledMillis) return Option.none()
    const reason = `The connector ${names.connector} makes no more progress; check it with floe connector status ${names.connector}.`
    return yield* new RebuildUnavailable({ reason, cause: positions })
  })
  for (;;) {
    yield* Effect.repeat(caughtUp, { schedule: pollSchedule, until: Option.isSome })
    yield* RebuildRun.stopAndWait(names.connector, rebuildGroups)
    const last = yield* caughtUp
    if (Option.isSome(last)) {
      yield* waitForOtherReplacement(target)
      yield* requireNoLostRows(target, names.table, discard, onProgress)
      if (yield* isStopped(target)) return last.value
      const reason = `The connector ${sink.connector} was resumed during the promotion; ${continues}.`
      return yield* new RebuildUnavailable({ reason, cause: last.value })
    }
    // The very last commit does not show its position; the next one does.
    const connector = yield* Connector
    yield* retryWhileUnavailable(connector.resume(names.connector))
  }
})

const currentState = Effect.fnUntraced(function* ({ name }: RebuildTarget) {
  if (!(yield* retryWhileUnavailable(RebuildTable.exists(name)))) return undefined
  return Option.getOrUndefined(yield* retryWhileUnavailable(RebuildTable.state(name)))
})

/** If the statement fails, the table shows whether it was carried out: a replaced table begins with a snapshot without a parent. */
const replace = Effect.fnUntraced(function* <E, R>(
  target: RebuildTarget,
  table: string,
  resumeSink: Effect.Effect<void, E, R>
) {
  const before = yield* currentState(target)
  const { id } = yield* RebuildRun.logTopic(target.topic)
  yield* RebuildTable.replace(target.stream, table, target.bucket, id).pipe(
    Effect.catch(
      Effect.fnUntraced(function* (error) {
        yield* waitForOtherReplacement(target)
        const now = yield* currentState(target)
        if (now !== undefined && now.snapshot !== before?.snapshot && now.parent === null) return
        yield* resumeSink
        return yield* new RebuildRefused({
          reason: `Trino could not put the table in place, and nothing was changed: ${error.message}`
        })
      })
    )
  )
})

/** After a rebuild of its processor the stream has another topic. */
const readTopic = Effect.fnUntraced(function* ({ sink, topic }: RebuildTarget) {
  const connector = yield* Connector
  const config = yield* retryWhileUnavailable(connector.config(sink.connector))
  const read = { topics: topic, "errors.deadletterqueue.topic.name": deadLettersOf(topic) }
  if (config.topics !== topic) yield* retryWhileUnavailable(connector.register(sink.connector, { ...config, ...read }))
})

const removeRebuild = Effect.fnUntraced(
  function* (names: Names) {
    const topics = yield* Topics
    yield* RebuildRun.discard(names)
    yield* topics.remove(names.controlTopic)
  },
  Effect.catch((error) => Effect.logWarning(`Some of what the rebuild used could not be removed. ${error.message}`))
)

/** While a stream changes, its table cannot be replaced by one of an earlier version. */
const keepUnchanged = Effect.fnUntraced(function* (name: string) {
  if (name === weather) return
  const { lock } = yield* ConsumerGroups
  if (yield* retryWhileUnavailable(lock(applyLock))) return
  const reason = `floe streams apply is running (it is in Kafka's group ${applyLock}); when it has ended, ${continues}.`
  return yield* new RebuildUnavailable({ reason, cause: applyLock })
})

export const promote = Effect.fnUntraced(function* (
  settings: RebuildSettings,
  name: string,
  table: string,
  onProgress: OnProgress,
  discard: Discards
) {
  const names = namesOf(table)
  yield* RebuildRun.lock
  yield* keepUnchanged(name)
  const target = yield* targetOf(settings, name, table)
  const resume = resumeOf(target)
  yield* Effect.tapError(requirePromotable(target, names, discard), () => RebuildRun.stop(names))
  // If an earlier promotion died after its commit, a resumed sink would bring again what the new table already has.
  const resumeSink = (yield* isStopped(target)) ? Effect.logWarning(wasStopped(target)) : resume
  return yield* Effect.uninterruptibleMask(
    Effect.fnUntraced(function* (restore) {
      const { positions, rows } = yield* restore(catchUp(target, names, discard, onProgress)).pipe(
        Effect.onInterrupt(() => Effect.andThen(Effect.ignore(resumeSink), RebuildRun.stop(names))),
        Effect.catch((error) =>
          Effect.andThen(Effect.mapError(resumeSink, leaving(sinkStopped(target))), Effect.fail(error))
        )
      )
      yield* Effect.gen(function* () {
        yield* onProgress("putting the table in place")
        yield* replace(target, table, resumeSink)
        yield* RebuildRun.moveReaders(target.topic, target.sink, positions)
        yield* readTopic(target)
        yield* resume
      }).pipe(Effect.mapError(leaving(sinkStopped(target))))
      yield* removeRebuild(names)
      const upTo = positions.map(({ partition, offset }) => `${partition}/${offset}`).join(", ")
      return `default.${table} is in place of default.${target.name}: ${plural(rows, "row")}, the log up to ${upTo} (partition/offset). The copy default.${table} stays; remove it with floe query "DROP TABLE ${table}".`
    })
  )
}, Effect.scoped)
