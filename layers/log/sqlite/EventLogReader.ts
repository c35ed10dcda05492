/** Reads the embedded log while another process appends to it. The log may be created after the reader. */
import { Array as Arr, Cause, Effect, Layer, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { firstAt } from "./firstAt.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogFile from "./LogFile.ts"
import { corrupt } from "./LogTable.ts"
import { unavailable, whenReading } from "./logFailures.ts"
import { position } from "./logRows.ts"

/** Through this the writer wakes the readers of its own process. */
export interface Commits {
  end: number
  waiting: Set<() => void>
}

/** Events per read: about 5 ms, in a short transaction, because a long one blocks checkpoints. */
const batchSize = 5_000
const pollInterval = "50 millis"

export const make = Effect.fnUntraced(function* (commits?: Commits) {
  const folder = yield* DataFolder
  let current: LogFile.LogFile | undefined
  let closed = false

  const close = () => {
    current?.close()
    current = undefined
  }

  const file = () => {
    if (closed) throw unavailable("read", "it is closed")
    if (current?.isReplaced()) close()
    current ??= LogFile.open(folder)
    return current
  }

  const confirm = (mark: HighWaterMark.HighWaterMark | undefined, log: LogFile.LogFile, end: number) => {
    if (mark?.logId !== log.logId && log.isReplaced()) throw unavailable("read", "it is being replaced")
    LogFile.confirm(mark, log.logId, end)
  }

  const readBounds = () => {
    const log = file()
    const mark = HighWaterMark.read(folder.logHighWaterMark)
    const { end } = log.tail()
    confirm(mark, log, end)
    return { logId: log.logId, earlier: log.earlier, partitions: [{ partition: 0, start: 0, end }] }
  }

  const bounds = Effect.try({ try: readBounds, catch: (cause) => whenReading("bounds", position(0), cause) }).pipe(
    Effect.withSpan("EventLogReader.bounds")
  )

  const committed = (commits: Commits, next: number) =>
    Effect.callback<void>((resume) => {
      if (commits.end > next) return resume(Effect.void)
      const wake = () => resume(Effect.void)
      commits.waiting.add(wake)
      return Effect.sync(() => commits.waiting.delete(wake))
    })

  const isSame = (log: LogFile.LogFile, version: unknown) => {
    try {
      return log === current && !log.isReplaced() && log.version() === version
    } catch {
      return false
    }
  }

  const polled = Effect.fnUntraced(function* (log: LogFile.LogFile, version: unknown) {
    while (isSame(log, version)) yield* Effect.sleep(pollInterval)
  })

  const cursor = (from: number, untilEnd: boolean) => {
    let next = from
    let stop: number | undefined
    let logId: string | undefined
    let wait: Effect.Effect<void> = Effect.void

    const readEvents = () => {
      const log = file()
      logId ??= log.logId
      if (log.logId !== logId) throw corrupt(next, `log ${log.logId} replaced log ${logId} while it was read`)
      const version = log.version()
      const mark = HighWaterMark.read(folder.logHighWaterMark)
      if (untilEnd && stop === undefined) {
        const { end } = log.tail()
        confirm(mark, log, end)
        stop = Math.max(end, next)
      }
      const events = log.events(next, Math.min(batchSize, (stop ?? Infinity) - next))
      next += events.length
      if (events.length === 0 && next !== stop) {
        confirm(mark, log, next)
        if (stop !== undefined) throw corrupt(next, "the event is missing")
        wait = commits === undefined ? polled(log, version) : committed(commits, next)
      }
      return events
    }

    return Effect.gen(function* () {
      while (true) {
        yield* Effect.yieldNow
        const events = yield* Effect.try({
          try: readEvents,
          catch: (cause) => whenReading("read", position(next), cause)
        })
        if (Arr.isReadonlyArrayNonEmpty(events)) return events
        if (next === stop) return yield* Cause.done()
        yield* wait
      }
    })
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      close()
    })
  )

  const read: EventLogReader["Service"]["read"] = (from, options) =>
    from.partition === 0
      ? Stream.fromPull(Effect.sync(() => cursor(from.offset, options?.until === "end")))
      : Stream.fail(whenReading("read", from, corrupt(0, `it has no partition ${from.partition}`)))

  return EventLogReader.of({ bounds, read, firstAt: firstAt(read) })
})

export const layer = Layer.effect(EventLogReader, make())
