/** The way of events from the log into the table: reading, staging, committing, and how far it has come. */
import { Array as Arr, Duration, Effect, Latch, Option, Semaphore, Stream } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import { type EventLogReader, LogCorrupt, type LoggedEvent } from "../../services/EventLog.ts"
import { SinkStopped } from "../../services/Sink.ts"
import {
  type Progress,
  TableBroken,
  type TableChanged,
  TableUnavailable,
  type TableWriter
} from "../../services/Table.ts"
import { monotonicMillis } from "../runtime/elapsed.ts"
import { plural } from "../runtime/plural.ts"
import * as RetryReporter from "../runtime/RetryReporter.ts"
import * as LogMatch from "./LogMatch.ts"
import { folderInPlace } from "./runLocally.ts"

export interface SinkLoopOptions {
  readonly log: EventLogReader["Service"]
  readonly table: TableWriter["Service"]
  readonly folder: DataFolder["Service"]
  readonly topic: string
  readonly interval: Duration.Input
  /** Told of every commit. */
  readonly committed: Effect.Effect<unknown>
}

/** Rows that are staged at most before a commit, whatever the interval says. */
const mostStaged = 500_000
const { partition } = LogMatch

export const make = Effect.fnUntraced(function* ({ log, table, folder, topic, interval, committed }: SinkLoopOptions) {
  const start = yield* table.committed
  let logId = Option.getOrUndefined(start)?.progress.logId
  let next = Option.getOrUndefined(start)?.progress.offset ?? 0
  /** Digest of the event before `next`. */
  let lastEvent = Option.getOrUndefined(start)?.progress.lastEvent
  /** When the last commit was due, in milliseconds of the monotonic clock. */
  let last = yield* monotonicMillis

  const inPlace = folderInPlace(folder)
  /** Open when the log is to be read again from an earlier place, or a later one. */
  const moved = yield* Latch.make(false)
  const gate = yield* Latch.make(true)
  /** Staging and committing take turns, so that a commit's progress says exactly what is staged. */
  const turn = yield* Semaphore.make(1)
  const logRetries = RetryReporter.make("The event log can be read again.")
  const stagePatience = RetryReporter.make("Events can be staged again.")
  const commitRetries = RetryReporter.make("The table can be written again.")

  const fits = LogMatch.make(log, folder)
  const check = Effect.gen(function* () {
    const progress = logId === undefined ? undefined : { logId, offset: next, lastEvent }
    logId = (yield* fits(folder.table, progress)).logId
  })

  /** Runs what uses the table until it works. */
  const persist = Effect.fnUntraced(function* <A, E>(
    effect: Effect.Effect<A, E | TableUnavailable>,
    retries: RetryReporter.RetryReporter
  ) {
    for (;;) {
      const result = yield* effect.pipe(
        Effect.asSome,
        Effect.catchIf(
          (error) => error instanceof TableUnavailable,
          (error) => Effect.as(retries.wait(error), Option.none<A>())
        )
      )
      if (Option.isNone(result)) continue
      yield* retries.recovered
      return result.value
    }
  })

  /** Goes on from where another program has put the table. */
  const follow = Effect.fnUntraced(function* (error: TableChanged) {
    yield* Effect.logWarning(error.message)
    const progress = Option.getOrUndefined(yield* table.committed)?.progress
    logId = progress?.logId
    next = progress?.offset ?? 0
    lastEvent = progress?.lastEvent
    yield* moved.open
    return 0
  })

  const commitStaged = Effect.gen(function* () {
    const rows = yield* table.staged
    yield* inPlace
    if (rows === 0 || logId === undefined) return yield* Effect.as(table.refresh, 0)
    const began = yield* monotonicMillis
    const { snapshotId } = yield* table.commit({ logId, offset: next, lastEvent })
    const took = Math.round((yield* monotonicMillis) - began)
    yield* Effect.log(
      `committed ${plural(rows, "row")} up to ${topic}/${partition}/${next - 1} (snapshot ${snapshotId}, ${took} ms)`
    )
    yield* committed
    return rows
  }).pipe(Effect.catchTag("TableChanged", follow))
  const commitOnce = commitStaged.pipe(Effect.uninterruptible, turn.withPermit)

  /** Commits what is staged; the answer is the number of rows. */
  const commit = persist(commitOnce, commitRetries)

  const stageOnce = Effect.fnUntraced(
    function* (read: Arr.NonEmptyReadonlyArray<LoggedEvent>) {
      // Paused while it waited for its turn.
      if (!gate.isOpen()) return false
      // A table that was put in place may be ahead of what was being read.
      const chunk = read[0].position.offset < next ? read.filter(({ position }) => position.offset >= next) : read
      if (!Arr.isReadonlyArrayNonEmpty(chunk)) return true
      const { offset } = chunk[0].position
      // It is about to be read again from another place.
      if (moved.isOpen()) return true
      if (offset !== next) {
        return yield* new LogCorrupt({
          position: { partition, offset: next },
          reason: `reading it gave offset ${offset} instead`
        })
      }
      yield* table.stage(chunk.map(({ record }) => record))
      next += chunk.length
      lastEvent = LogMatch.digestOf(chunk[chunk.length - 1] ?? chunk[0])
      return true
    },
    Effect.uninterruptible,
    turn.withPermit
  )

  const take = Effect.fnUntraced(function* (chunk: Arr.NonEmptyReadonlyArray<LoggedEvent>) {
    yield* logRetries.recovered
    const staging = gate.whenOpen(stageOnce(chunk))
    while (!(yield* persist(staging, stagePatience)));
    if ((yield* table.staged) >= mostStaged) {
      yield* commit
      last = yield* monotonicMillis
    }
  })

  /** Takes in what the log has now and then ends, giving the next offset to read again and again. Fails where `read` would wait. */
  const catchUp = Effect.gen(function* () {
    yield* check
    const step = Effect.fnUntraced(function* (chunk: Arr.NonEmptyReadonlyArray<LoggedEvent>) {
      yield* stageOnce(chunk)
      if ((yield* table.staged) >= mostStaged) yield* commitOnce
      if (moved.isOpen()) {
        return yield* new TableBroken({
          file: folder.table,
          reason: "was changed by another program while it was being made; remove the folder, and begin again"
        })
      }
      return next
    })
    const last = Effect.map(commitOnce, () => next)
    return log
      .read({ partition, offset: next }, { until: "end" })
      .pipe(Stream.chunks, Stream.mapEffect(step), Stream.concat(Stream.fromEffect(last)))
  }).pipe(Stream.unwrap)

  /**
   * Makes the table in the folder `from` the table, in one step. It is brought to the log's end first, so that no event
   * that was in the table is missing in it; on failure all is as it was.
   */
  const supersede = Effect.fn("SinkLoop.promote")(
    function* <E>(from: string, progress: Progress, allowed: Effect.Effect<void, E>) {
      yield* commitStaged
      const bounds = yield* fits(from, progress)
      let { lastEvent: last, offset } = progress
      const stage = Effect.fnUntraced(function* (chunk: Arr.NonEmptyReadonlyArray<LoggedEvent>) {
        yield* table.stage(chunk.map(({ record }) => record))
        offset += chunk.length
        last = LogMatch.digestOf(chunk[chunk.length - 1] ?? chunk[0])
      })
      const done = yield* log.read({ partition, offset }, { until: "end" }).pipe(
        Stream.chunks,
        Stream.runForEach(stage),
        Effect.andThen(() => table.promote(from, { logId: bounds.logId, offset, lastEvent: last }, allowed)),
        Effect.onError(() => Effect.ignore(table.discard))
      )
      logId = bounds.logId
      next = offset
      lastEvent = last
      yield* committed
      return done
    },
    Effect.uninterruptible,
    turn.withPermit
  )

  const readOnce = Effect.gen(function* () {
    yield* moved.close
    yield* check
    const taken = log.read({ partition, offset: next }).pipe(Stream.chunks, Stream.runForEach(take))
    yield* Effect.raceFirst(taken, moved.await)
  })

  const stopped = (error: { readonly message: string }) => Effect.fail(new SinkStopped({ reason: error.message }))

  /** Takes events in for ever. */
  const read = readOnce.pipe(
    Effect.catchTags({
      LogUnavailable: logRetries.wait,
      TableBroken: stopped,
      // The check may have a better word for it, such as another log.
      LogCorrupt: (error) =>
        check.pipe(
          Effect.catchTag(["LogUnavailable", "LogCorrupt"], () => Effect.void),
          Effect.andThen(
            stopped({ message: `${error.message} Put a whole copy of the log back; the table keeps what it has.` })
          )
        )
    }),
    Effect.forever
  )

  /** Commits at every interval, counted from when the last commit was due, so that it neither drifts nor waits after a slow one. */
  const tick = Effect.gen(function* () {
    const millis = Duration.toMillis(interval)
    const now = yield* monotonicMillis
    const due = last + millis
    if (due > now) return yield* Effect.sleep(due - now)
    last = now - due > millis ? now : due
    yield* commit
  }).pipe(Effect.catchTag("TableBroken", stopped), Effect.forever)

  return {
    read,
    tick,
    commit: Effect.catchTag(commit, "TableBroken", stopped),
    /** For the end: commits what is staged if that can be done at once. */
    commitOnce,
    /** What was being staged is staged; nothing more is until `resume`. */
    pause: gate.close,
    resume: gate.open,
    catchUp,
    supersede,
    offset: Effect.sync(() => next)
  }
})
export type SinkLoop = Effect.Success<ReturnType<typeof make>>
