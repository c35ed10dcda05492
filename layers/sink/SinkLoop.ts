/** Moves events from the log into the table: reads, stages, commits, and tracks the position. */
import { Array as Arr, Duration, Effect, Latch, Option, Semaphore, Stream } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import {
  EventLogReader,
  LogCorrupt,
  type LoggedEvent,
  type LogReader,
  type LogRecord
} from "../../services/EventLog.ts"
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import {
  type Progress,
  TableBroken,
  type TableChanged,
  TableUnavailable,
  TableWriter
} from "../../services/TableWriter.ts"
import { monotonicMillis } from "../runtime/elapsed.ts"
import { plural } from "../runtime/plural.ts"
import * as RetryReporter from "../runtime/RetryReporter.ts"
import { folderInPlace } from "./folderInPlace.ts"
import * as LogMatch from "./LogMatch.ts"
import { SinkStopped } from "./SinkStopped.ts"

export interface SinkLoopOptions {
  /** Weather by default. */
  readonly stream?: string | undefined
  /** Names the stream's log in messages. */
  readonly topic: string
  /** Between commits. */
  readonly interval: Duration.Input
  /** Runs after every commit. */
  readonly onCommit: Effect.Effect<unknown>
  /** Runs each time the next events could be read, or there are none, once the table is known to come from this log. */
  readonly onRead?: Effect.Effect<unknown>
}

const maxStaged = 500_000
/** A chunk of at least this many events shows that the log is far ahead. */
const backlogChunk = 1_000
const { partition } = LogMatch

export const make = Effect.fnUntraced(function* ({
  stream = weather,
  topic,
  interval,
  onCommit,
  onRead = Effect.void
}: SinkLoopOptions) {
  const streams = yield* Streams
  const logs = yield* EventLogReader
  const log: LogReader = stream === weather ? logs : logs.of(stream)
  const table = yield* TableWriter
  const folder = yield* DataFolder
  const start = yield* table.committed
  let logId = Option.getOrUndefined(start)?.progress.logId
  let next = Option.getOrUndefined(start)?.progress.offset ?? 0
  /** Digest of the event before `next`. */
  let lastEvent = Option.getOrUndefined(start)?.progress.lastEvent
  /** Of the stream: the table has its columns. */
  let version = 1
  /** When the last commit was due, in milliseconds of the monotonic clock. */
  let last = yield* monotonicMillis
  let isBehind = false

  const inPlace = yield* folderInPlace
  const moved = yield* Latch.make(false)
  const gate = yield* Latch.make(true)
  /** Staging and committing take turns, so that a commit's progress matches what is staged. */
  const turn = yield* Semaphore.make(1)
  const logRetries = RetryReporter.make("The event log can be read again.")
  const stageRetries = RetryReporter.make("Events can be staged again.")
  const commitRetries = RetryReporter.make("The table can be written again.")

  const matchLog = (path: string, progress: Progress | undefined) =>
    Effect.provideService(LogMatch.check(log, path, progress), DataFolder, folder)
  const check = Effect.gen(function* () {
    const progress = logId === undefined ? undefined : { logId, offset: next, lastEvent }
    const log = yield* matchLog(folder.table, progress)
    logId = log.logId
    return log
  })

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

  type Chunk = Arr.NonEmptyReadonlyArray<LoggedEvent<LogRecord>>

  /** Stages events, all columns of them: their version may have come into force after the table was opened. */
  const stageAll = Effect.fnUntraced(function* (chunk: Chunk) {
    const { position, schemaVersion = 1 } = Arr.lastNonEmpty(chunk)
    if (schemaVersion > version) {
      const newest = (yield* streams.history(stream)).at(-1)
      if (newest === undefined || newest.version < schemaVersion) {
        return yield* new LogCorrupt({ position, reason: `version ${schemaVersion} of the stream is not recorded` })
      }
      yield* table.evolve(newest)
      version = newest.version
    }
    yield* table.stage(chunk.map(({ record }) => record))
  })

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
    yield* onCommit
    return rows
  }).pipe(Effect.catchTag("TableChanged", follow))
  const commitOnce = commitStaged.pipe(Effect.uninterruptible, turn.withPermit)

  const commit = persist(commitOnce, commitRetries)

  const stageOnce = Effect.fnUntraced(
    function* (read: Chunk) {
      // The sink was paused while this waited for its turn.
      if (!gate.isOpen()) return false
      // A table that was just promoted may be ahead of this chunk.
      const chunk = read[0].position.offset < next ? read.filter(({ position }) => position.offset >= next) : read
      if (!Arr.isReadonlyArrayNonEmpty(chunk)) return true
      const { offset } = chunk[0].position
      // The log is about to be read from another position.
      if (moved.isOpen()) return true
      if (offset !== next) {
        return yield* new LogCorrupt({
          position: { partition, offset: next },
          reason: `offset ${offset} was read instead`
        })
      }
      yield* stageAll(chunk)
      isBehind = chunk.length >= backlogChunk
      next += chunk.length
      lastEvent = LogMatch.digestOf(chunk[chunk.length - 1] ?? chunk[0])
      return true
    },
    Effect.uninterruptible,
    turn.withPermit
  )

  const take = Effect.fnUntraced(function* (chunk: Chunk) {
    yield* logRetries.recovered
    const staging = gate.whenOpen(stageOnce(chunk))
    while (!(yield* persist(staging, stageRetries)));
    if ((yield* table.staged) >= maxStaged) {
      yield* commit
      last = yield* monotonicMillis
    }
  })

  /** Brings in what the log has now, emits the next offset after each chunk, and ends. Fails where `read` would wait. */
  const catchUp = Effect.gen(function* () {
    yield* check
    const step = Effect.fnUntraced(function* (chunk: Chunk) {
      yield* stageOnce(chunk)
      if ((yield* table.staged) >= maxStaged) yield* commitOnce
      if (moved.isOpen()) {
        return yield* new TableBroken({
          file: folder.table,
          reason: "was changed by another program during the rebuild; remove the folder and start again"
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
   * Replaces the table with the one in the folder `from`, in one step. First brings that one to the log's end, so that no
   * event of the old table is missing; on failure nothing changes.
   */
  const promote = Effect.fn("SinkLoop.promote")(
    function* <E>(from: string, progress: Progress, allowed: Effect.Effect<void, E>) {
      yield* commitStaged
      const bounds = yield* matchLog(from, progress)
      let { lastEvent: last, offset } = progress
      const stage = Effect.fnUntraced(function* (chunk: Chunk) {
        yield* stageAll(chunk)
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
      // The log of a processor may be another file by now, of which nothing was read.
      yield* moved.open
      yield* onCommit
      return done
    },
    Effect.uninterruptible,
    turn.withPermit
  )

  const readOnce = Effect.gen(function* () {
    yield* moved.close
    const { end } = yield* check
    if (next === end) yield* onRead
    const step = (chunk: Chunk) => Effect.andThen(onRead, take(chunk))
    const taken = log.read({ partition, offset: next }).pipe(Stream.chunks, Stream.runForEach(step))
    yield* Effect.raceFirst(taken, moved.await)
  })

  const stopped = (error: { readonly message: string }) => Effect.fail(new SinkStopped({ reason: error.message }))

  const read = readOnce.pipe(
    Effect.catchTags({
      LogUnavailable: logRetries.wait,
      TableBroken: stopped,
      // The check may find a clearer reason, for example another log.
      LogCorrupt: (error) =>
        check.pipe(
          Effect.catchTag(["LogUnavailable", "LogCorrupt"], () => Effect.void),
          Effect.andThen(
            stopped({ message: `${error.message} Restore a complete copy of the log; the table keeps what it has.` })
          )
        )
    }),
    Effect.forever
  )

  /**
   * Commits at every interval, counted from when the last commit was due, so that it neither drifts nor waits after a slow
   * commit. While the log is far ahead it waits after a slow commit too: it would commit one chunk after another.
   */
  const tick = Effect.gen(function* () {
    const millis = Duration.toMillis(interval)
    const now = yield* monotonicMillis
    const due = last + millis
    if (due > now) return yield* Effect.sleep(due - now)
    last = now - due > millis ? now : due
    yield* commit
    const end = yield* monotonicMillis
    if (isBehind && end - last > millis) last = end
  }).pipe(Effect.catchTag("TableBroken", stopped), Effect.forever)

  return {
    read,
    tick,
    commit: Effect.catchTag(commit, "TableBroken", stopped),
    /** Commits once, without retries; for shutdown. */
    commitOnce,
    /** Finishes what is being staged; stages nothing more until `resume`. */
    pause: gate.close,
    resume: gate.open,
    catchUp,
    promote,
    offset: Effect.sync(() => next)
  }
})
export type SinkLoop = Effect.Success<ReturnType<typeof make>>
