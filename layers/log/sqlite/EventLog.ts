/**
 * The embedded log. Concurrent appends share one transaction and one fsync. It commits in the server's thread: a group of
 * 64 takes a fraction of a millisecond, less than passing it to a worker.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { layerWebCrypto, SecureRandom } from "effect/crypto/SecureRandom"
import { DataFolder } from "../../../services/DataFolder.ts"
import {
  type Append,
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
import type { Outcome } from "./answerTo.ts"
import * as Reader from "./EventLogReader.ts"
import * as LogWriter from "./LogWriter.ts"
import { unavailable, whenReading, whenWriting } from "./logFailures.ts"
import { position } from "./logRows.ts"
import * as Receipts from "./Receipts.ts"
import { isStreamName } from "./schema.ts"

/** Most records that wait for the disk; a single append may be larger. */
const maxWaiting = 50_000
const maxGroup = 20_000

const sizeOf = ({ records, rejected }: Append) => records.length + (rejected === undefined ? 0 : rejected.length)

/** Distinguishes the keys of all streams: no key contains a line break. */
const keyOf = ({ idempotency, stream }: Append) =>
  idempotency === undefined || stream === undefined ? idempotency?.key : `${stream}\n${idempotency.key}`

interface Waiting extends LogWriter.Entry {
  readonly resume: (
    outcome: Effect.Effect<Appended, LogUnavailable | AppendOutcomeUnknown | KeyReused | KeyInFlight>
  ) => void
}

const make = Effect.gen(function* () {
  const folder = yield* DataFolder
  const clock = yield* Clock.Clock
  const newLogId = yield* (yield* SecureRandom).uuidV4()
  const keysNow = ageClock.make(clock, Receipts.kept)
  const commits = new Map<string, Reader.Commits>()
  let inFlight = new Set<string>()
  const queue: Array<Waiting> = []
  let records = 0
  let scheduled = false
  let stopping = false
  let failure: LogUnavailable | undefined

  yield* acquire(folder.serverLock, "logging server")
  const writer = yield* Effect.acquireRelease(
    Effect.try({
      try: () => LogWriter.open(folder, newLogId),
      catch: (cause) => whenReading("open", position(0), cause)
    }),
    (writer) =>
      Effect.sync(() => {
        stopping = true
        while (queue.length > 0) flush(writer)
        writer.close()
      })
  )
  const commitsOf = (stream: string) => {
    let found = commits.get(stream)
    if (found === undefined) {
      found = { end: writer.end(stream) ?? 0, waiting: new Set() }
      commits.set(stream, found)
    }
    return found
  }

  const checkMark = () => {
    const cause = writer.markFailure()
    failure = cause === undefined ? undefined : whenWriting("high-water mark", cause)
  }
  checkMark()

  const take = () => {
    let size = 0
    let count = 0
    for (const { append } of queue) {
      if (count > 0 && size + sizeOf(append) > maxGroup) break
      size += sizeOf(append)
      count++
    }
    records -= size
    return queue.splice(0, count)
  }

  const written = (writer: LogWriter.LogWriter, group: ReadonlyArray<Waiting>): ReadonlyArray<Outcome> => {
    try {
      const outcomes = writer.write(group, keysNow())
      checkMark()
      return outcomes
    } catch (cause) {
      failure = whenWriting("append", cause)
      const failed = Effect.fail(failure)
      return group.map(() => failed)
    }
  }

  // New Sets instead of clearing one: the tables that a changing Set discards are chained; once one is in the old
  // generation, the garbage collector keeps all the later ones.
  const flush = (writer: LogWriter.LogWriter) => {
    scheduled = false
    if (queue.length === 0) return
    const group = take()
    const outcomes = written(writer, group)
    inFlight = new Set(queue.flatMap(({ append }) => keyOf(append) ?? []))
    if (queue.length > 0) schedule()
    for (const [i, outcome] of outcomes.entries()) group[i]?.resume(outcome)
    for (const [stream, commit] of commits) {
      const end = writer.end(stream) ?? commit.end
      if (end === commit.end) continue
      commit.end = end
      const { waiting } = commit
      commit.waiting = new Set()
      for (const wake of waiting) wake()
    }
  }

  const schedule = () => {
    scheduled = true
    setImmediate(flush, writer)
  }

  const rejection = (count: number) => {
    if (stopping) return unavailable("append", "the server is stopping")
    if (records > 0 && records + count > maxWaiting) {
      return unavailable("append", `${plural(records, "record is", "records are")} waiting for the disk already`)
    }
    return undefined
  }

  const append: EventLog["Service"]["append"] = (append) =>
    Effect.callback((resume) => {
      const size = sizeOf(append)
      if (size === 0) return resume(Effect.die(new Error("an append has at least one record")))
      if (append.stream !== undefined && !isStreamName(append.stream)) {
        return resume(Effect.die(new Error(`${append.stream} is not the name of a stream`)))
      }
      const rejected = rejection(size)
      if (rejected !== undefined) return resume(Effect.fail(rejected))
      const key = keyOf(append)
      if (key !== undefined) {
        if (inFlight.has(key)) return resume(Effect.fail(new KeyInFlight()))
        inFlight.add(key)
      }
      queue.push({ append, acceptedAt: clock.currentTimeMillisUnsafe(), resume })
      records += size
      if (!scheduled) schedule()
    })

  const ready = Effect.suspend(() => {
    const rejected = rejection(1)
    if (rejected !== undefined) return Effect.fail(rejected)
    if (failure === undefined) return Effect.void
    return Effect.try({ try: writer.probe, catch: (cause) => whenWriting("ready", cause) }).pipe(
      Effect.tap(() => Effect.sync(checkMark)),
      Effect.tapError((error) => Effect.sync(() => (failure = error)))
    )
  }).pipe(Effect.withSpan("EventLog.ready"))

  const count = (stream: string) => writer.end(stream) ?? 0
  const reader = yield* Reader.make(commitsOf)
  return Context.make(EventLog, EventLog.of({ logId: writer.logId, append, ready, count })).pipe(
    Context.add(EventLogReader, reader)
  )
})

export const layer = Layer.effectContext(make).pipe(Layer.provide(layerWebCrypto))
