/** Reads the embedded log, beside the one process that appends to it. The log may come later than the reader. */
import { Array as Arr, Cause, Effect, Layer, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { firstAt } from "./firstAt.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogFile from "./LogFile.ts"
import { broken } from "./LogTable.ts"
import { unavailable, whenReading } from "./logFailures.ts"
import { position } from "./logRows.ts"

/** The writer of the same process tells its readers at once. */
export interface Commits {
  end: number
  waiting: Set<() => void>
}

/** Events in a piece: some 5 ms of reading, in a short transaction of its own, as a long one stops checkpoints. */
const piece = 5_000
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

  const confirm = (witness: HighWaterMark.HighWaterMark | undefined, log: LogFile.LogFile, end: number) => {
    if (witness?.logId !== log.logId && log.isReplaced()) throw unavailable("read", "it is being replaced")
    LogFile.confirm(witness, log.logId, end)
  }

  const look = () => {
    const log = file()
    const witness = HighWaterMark.read(folder.logHighWaterMark)
    const { end } = log.tail()
    confirm(witness, log, end)
    return { logId: log.logId, earlier: log.earlier, partitions: [{ partition: 0, start: 0, end }] }
  }

  const bounds = Effect.try({ try: look, catch: (cause) => whenReading("bounds", position(0), cause) }).pipe(
    Effect.withSpan("EventLogReader.bounds")
  )

  const told = (commits: Commits, next: number) =>
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

    const events = () => {
      const log = file()
      logId ??= log.logId
      if (log.logId !== logId) throw broken(next, `log ${log.logId} took the place of log ${logId} while it was read`)
      const version = log.version()
      const witness = HighWaterMark.read(folder.logHighWaterMark)
      if (untilEnd && stop === undefined) {
        const { end } = log.tail()
        confirm(witness, log, end)
        stop = Math.max(end, next)
      }
      const found = log.events(next, Math.min(piece, (stop ?? Infinity) - next))
      next += found.length
      if (found.length === 0 && next !== stop) {
        confirm(witness, log, next)
        if (stop !== undefined) throw broken(next, "the event is missing")
        wait = commits === undefined ? polled(log, version) : told(commits, next)
      }
      return found
    }

    return Effect.gen(function* () {
      while (true) {
        // Between two pieces the other work of the process has its turn.
        yield* Effect.yieldNow
        const found = yield* Effect.try({ try: events, catch: (cause) => whenReading("read", position(next), cause) })
        if (Arr.isReadonlyArrayNonEmpty(found)) return found
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
      : Stream.fail(whenReading("read", from, broken(0, `it has no partition ${from.partition}`)))

  return EventLogReader.of({ bounds, read, firstAt: firstAt(read) })
})

export const layer = Layer.effect(EventLogReader, make())
