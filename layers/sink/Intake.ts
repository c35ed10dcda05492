/** The way of events from the log into the table: reading, staging, committing, and how far it has come. */
import { hash } from "node:crypto"
import { type Array as Arr, Clock, Duration, Effect, Latch, Option, Semaphore, Stream } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import { type EventLogReader, LogBroken, type LoggedEvent } from "../../services/EventLog.ts"
import { SinkStopped } from "../../services/Sink.ts"
import { TableUnavailable, type TableWriter } from "../../services/Table.ts"
import * as Patience from "./Patience.ts"

export interface IntakeOptions {
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
const partition = 0

/** When it was accepted tells events with the same record apart. */
const digestOf = ({ acceptedAt, record: { city, temperature, ts } }: LoggedEvent) =>
  hash("sha256", JSON.stringify([acceptedAt, city, temperature, ts]), "hex").slice(0, 16)

export const make = Effect.fnUntraced(function* ({ log, table, folder, topic, interval, committed }: IntakeOptions) {
  const start = yield* table.committed
  let logId = Option.getOrUndefined(start)?.progress.logId
  let next = Option.getOrUndefined(start)?.progress.offset ?? 0
  /** Digest of the event before `next`. */
  let lastEvent = Option.getOrUndefined(start)?.progress.lastEvent
  /** When the last commit was due, in milliseconds. */
  let last = yield* Clock.currentTimeMillis

  const gate = yield* Latch.make(true)
  /** Staging and committing take turns, so that a commit's progress says exactly what is staged. */
  const turn = yield* Semaphore.make(1)
  const logPatience = Patience.make("The event log can be read again.")
  const stagePatience = Patience.make("Events can be staged again.")
  const commitPatience = Patience.make("The table can be written again.")

  const check = Effect.gen(function* () {
    const bounds = yield* log.bounds
    const { start, end } = bounds.partitions.find((_) => _.partition === partition) ?? { start: 0, end: 0 }
    const choice = "Put that log back, or move the table away and a new one is made from this log"
    if (logId !== undefined && bounds.logId !== logId) {
      return yield* new SinkStopped({
        reason: `The table at ${folder.table} was written from another log (id ${logId}) than the one at ${folder.log} (id ${bounds.logId}). ${choice}.`
      })
    }
    if (next > end) {
      return yield* new SinkStopped({
        reason: `The table at ${folder.table} holds the log up to offset ${next}, but the log at ${folder.log} ends at ${end}: it is an older copy, or was cut. ${choice}.`
      })
    }
    if (next < start) {
      return yield* new SinkStopped({
        reason: `The table at ${folder.table} holds the log up to offset ${next}, but the log at ${folder.log} begins at ${start}. ${choice}.`
      })
    }
    if (lastEvent !== undefined) {
      const before = yield* Stream.runHead(log.read({ partition, offset: next - 1 }, { until: "end" }))
      if (!Option.exists(before, (event) => digestOf(event) === lastEvent)) {
        return yield* new SinkStopped({
          reason: `The log at ${folder.log} has another event at offset ${next - 1} than the one that is in the table at ${folder.table}: it was put back from an older copy and went on from there. ${choice}.`
        })
      }
    }
    logId = bounds.logId
  })

  /** Runs what uses the table until it works. */
  const persist = Effect.fnUntraced(function* <A, E>(
    effect: Effect.Effect<A, E | TableUnavailable>,
    patience: Patience.Patience
  ) {
    for (;;) {
      const result = yield* effect.pipe(
        Effect.asSome,
        Effect.catchIf(
          (error) => error instanceof TableUnavailable,
          (error) => Effect.as(patience.wait(error), Option.none<A>())
        )
      )
      if (Option.isNone(result)) continue
      yield* patience.well
      return result.value
    }
  })

  const commitOnce = Effect.gen(function* () {
    const rows = yield* table.staged
    if (rows === 0 || logId === undefined) return 0
    const began = yield* Clock.currentTimeMillis
    const { snapshotId } = yield* table.commit({ logId, offset: next, lastEvent })
    const took = (yield* Clock.currentTimeMillis) - began
    yield* Effect.log(
      `committed ${rows.toLocaleString("en-US")} ${rows === 1 ? "row" : "rows"} up to ${topic}/${partition}/${next - 1} (snapshot ${snapshotId}, ${took} ms)`
    )
    yield* committed
    return rows
  }).pipe(Effect.uninterruptible, turn.withPermit)

  /** Commits what is staged; the answer is the number of rows. */
  const commit = persist(commitOnce, commitPatience)

  const stageOnce = Effect.fnUntraced(
    function* (chunk: Arr.NonEmptyReadonlyArray<LoggedEvent>) {
      // Paused while it waited for its turn.
      if (!gate.isOpen()) return false
      const { offset } = chunk[0].position
      if (offset !== next) {
        return yield* new LogBroken({
          position: { partition, offset: next },
          reason: `reading it gave offset ${offset} instead`
        })
      }
      yield* table.stage(chunk.map(({ record }) => record))
      next += chunk.length
      lastEvent = digestOf(chunk[chunk.length - 1] ?? chunk[0])
      return true
    },
    Effect.uninterruptible,
    turn.withPermit
  )

  const take = Effect.fnUntraced(function* (chunk: Arr.NonEmptyReadonlyArray<LoggedEvent>) {
    yield* logPatience.well
    const staging = gate.whenOpen(stageOnce(chunk))
    while (!(yield* persist(staging, stagePatience)));
    if ((yield* table.staged) >= mostStaged) {
      yield* commit
      last = yield* Clock.currentTimeMillis
    }
  })

  const readOnce = Effect.gen(function* () {
    yield* check
    yield* log.read({ partition, offset: next }).pipe(Stream.chunks, Stream.runForEach(take))
  })

  const stopped = (error: { readonly message: string }) => Effect.fail(new SinkStopped({ reason: error.message }))

  /** Takes events in for ever. */
  const read = readOnce.pipe(
    Effect.catchTags({
      LogUnavailable: logPatience.wait,
      TableBroken: stopped,
      // The check may have a better word for it, such as another log.
      LogBroken: (error) =>
        check.pipe(
          Effect.catchTag(["LogUnavailable", "LogBroken"], () => Effect.void),
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
    const now = yield* Clock.currentTimeMillis
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
    offset: Effect.sync(() => next)
  }
})
export type Intake = Effect.Success<ReturnType<typeof make>>
