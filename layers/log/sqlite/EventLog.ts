/**
 * The embedded log: appends of the same moment share one transaction and one fsync. It commits in the thread that
 * serves, as a group of 64 takes a fraction of a millisecond and handing it to a worker takes longer.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import {
  type Appended,
  type AppendOutcomeUnknown,
  EventLog,
  EventLogReader,
  KeyInFlight,
  type KeyReused,
  type LogUnavailable
} from "../../../services/EventLog.ts"
import * as ageClock from "../../runtime/ageClock.ts"
import { acquire } from "../../runtime/ProcessLock.ts"
import { plural } from "../../runtime/plural.ts"
import * as Reader from "./EventLogReader.ts"
import * as LogWriter from "./LogWriter.ts"
import { unavailable, whenReading, whenWriting } from "./logFailures.ts"
import { position } from "./logRows.ts"
import * as Receipts from "./Receipts.ts"

/** Records that may wait for the disk; one append alone may be larger. */
const maxWaiting = 50_000
/** Records in one transaction. */
const maxGroup = 20_000

interface Waiting extends LogWriter.Entry {
  readonly resume: (
    outcome: Effect.Effect<Appended, LogUnavailable | AppendOutcomeUnknown | KeyReused | KeyInFlight>
  ) => void
}

const make = Effect.gen(function* () {
  const folder = yield* DataFolder
  const clock = yield* Clock.Clock
  const keysNow = ageClock.make(clock, Receipts.kept)
  const commits: Reader.Commits = { end: 0, waiting: new Set() }
  let inFlight = new Set<string>()
  const queue: Array<Waiting> = []
  let records = 0
  let scheduled = false
  let stopping = false
  let trouble: LogUnavailable | undefined

  yield* acquire(folder.serverLock, "logging server")
  const writer = yield* Effect.acquireRelease(
    Effect.try({
      try: () => LogWriter.open(folder),
      catch: (cause) => whenReading("open", position(0), cause)
    }),
    (writer) =>
      Effect.sync(() => {
        stopping = true
        while (queue.length > 0) flush(writer)
        writer.close()
      })
  )
  commits.end = writer.end() ?? 0

  const judge = () => {
    const cause = writer.witnessFailure()
    trouble = cause === undefined ? undefined : whenWriting("witness", cause)
  }
  judge()

  const take = () => {
    let size = 0
    let count = 0
    for (const { append } of queue) {
      if (count > 0 && size + append.records.length > maxGroup) break
      size += append.records.length
      count++
    }
    records -= size
    return queue.splice(0, count)
  }

  const written = (writer: LogWriter.LogWriter, group: ReadonlyArray<Waiting>): ReadonlyArray<LogWriter.Outcome> => {
    try {
      const outcomes = writer.write(group, keysNow())
      judge()
      return outcomes
    } catch (cause) {
      trouble = whenWriting("append", cause)
      const refused = Effect.fail(trouble)
      return group.map(() => refused)
    }
  }

  // New Sets, and none that is emptied: the tables that one discards as it changes are chained, and once one is old, the
  // garbage collector takes all that follow for alive.
  const flush = (writer: LogWriter.LogWriter) => {
    scheduled = false
    if (queue.length === 0) return
    const group = take()
    const outcomes = written(writer, group)
    inFlight = new Set(queue.flatMap(({ append }) => append.idempotency?.key ?? []))
    if (queue.length > 0) schedule()
    for (const [i, outcome] of outcomes.entries()) group[i]?.resume(outcome)
    commits.end = writer.end() ?? commits.end
    if (commits.waiting.size === 0) return
    const { waiting } = commits
    commits.waiting = new Set()
    for (const wake of waiting) wake()
  }

  const schedule = () => {
    scheduled = true
    setImmediate(flush, writer)
  }

  const refusal = (count: number) => {
    if (stopping) return unavailable("append", "the server is stopping")
    if (records > 0 && records + count > maxWaiting) {
      return unavailable("append", `${plural(records, "record is", "records are")} waiting for the disk already`)
    }
    return undefined
  }

  const append: EventLog["Service"]["append"] = (append) =>
    Effect.callback((resume) => {
      if (append.records.length === 0) return resume(Effect.die(new Error("an append has at least one record")))
      const refused = refusal(append.records.length)
      if (refused !== undefined) return resume(Effect.fail(refused))
      const key = append.idempotency?.key
      if (key !== undefined) {
        if (inFlight.has(key)) return resume(Effect.fail(new KeyInFlight()))
        inFlight.add(key)
      }
      queue.push({ append, acceptedAt: clock.currentTimeMillisUnsafe(), resume })
      records += append.records.length
      if (!scheduled) schedule()
    })

  const ready = Effect.suspend(() => {
    const refused = refusal(1)
    if (refused !== undefined) return Effect.fail(refused)
    if (trouble === undefined) return Effect.void
    return Effect.try({ try: writer.probe, catch: (cause) => whenWriting("ready", cause) }).pipe(
      Effect.tap(() => Effect.sync(judge)),
      Effect.tapError((failure) => Effect.sync(() => (trouble = failure)))
    )
  }).pipe(Effect.withSpan("EventLog.ready"))

  const reader = yield* Reader.make(commits)
  return Context.make(EventLog, EventLog.of({ logId: writer.logId, append, ready })).pipe(
    Context.add(EventLogReader, reader)
  )
})

export const layer = Layer.effectContext(make)
