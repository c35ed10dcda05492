/** Reads the embedded log while another process appends to it. The log may be created after the reader. */
import { Array as Arr, Cause, Effect, Layer, Scope, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { EventLogReader, type LoggedEvent, type LogReader, type LogRecord } from "../../../services/EventLog.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { firstAt } from "./firstAt.ts"
import * as HighWaterMark from "./HighWaterMark.ts"
import * as LogFile from "./LogFile.ts"
import { corrupt, type LogTable } from "./LogTable.ts"
import { unavailable, whenReading } from "./logFailures.ts"
import { eventOf, position, weatherRows } from "./logRows.ts"
import { processorFolder } from "./processorFolder.ts"
import { writerIn } from "./writerIn.ts"

/** Through this the writer wakes the readers of a stream in its own process. */
export interface Commits {
  end: number
  waiting: Set<() => void>
}

/** Events per read: about 5 ms, in a short transaction, because a long one blocks checkpoints. */
const batchSize = 5_000
const pollInterval = "50 millis"

const weather = weatherRows.stream

/** Reads one file. `commitsOf`: of a stream, in the process that appends to it. */
const readFile = Effect.fnUntraced(function* (folder: DataFolder["Service"], commitsOf?: (stream: string) => Commits) {
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

  const confirm = (
    mark: HighWaterMark.HighWaterMark | undefined,
    log: LogFile.LogFile,
    end: number,
    stream: string
  ) => {
    const isOther = mark?.logId !== log.logId || mark.end > end
    if (isOther && log.isReplaced()) throw unavailable("read", "it is being replaced")
    LogFile.confirm(mark, log.logId, end, stream)
  }

  const readBounds = (stream: string) => {
    const log = file()
    const mark = HighWaterMark.read(folder.logHighWaterMark, stream)
    const { end } = log.of(stream).tail()
    confirm(mark, log, end, stream)
    return { logId: log.logId, earlier: log.earlierOf(stream), partitions: [{ partition: 0, start: 0, end }] }
  }

  const boundsOf = (stream: string) =>
    Effect.try({
      try: () => readBounds(stream),
      catch: (cause) => whenReading("bounds", position(0), cause, stream)
    }).pipe(Effect.withSpan("EventLogReader.bounds"))

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

  const cursor = <R extends LogRecord>(
    stream: string,
    tableOf: (log: LogFile.LogFile) => LogTable<R>,
    from: number,
    untilEnd: boolean
  ) => {
    const commits = commitsOf?.(stream)
    let next = from
    let stop: number | undefined
    let logId: string | undefined
    let wait: Effect.Effect<void> = Effect.void

    const readEvents = () => {
      const log = file()
      logId ??= log.logId
      if (log.logId !== logId) throw corrupt(next, `log ${log.logId} replaced log ${logId} while it was read`)
      const version = log.version()
      const mark = HighWaterMark.read(folder.logHighWaterMark, stream)
      const table = tableOf(log)
      if (untilEnd && stop === undefined) {
        const { end } = table.tail()
        confirm(mark, log, end, stream)
        stop = Math.max(end, next)
      }
      const rows = table.rows(next, Math.min(batchSize, (stop ?? Infinity) - next))
      const events: ReadonlyArray<LoggedEvent<R>> = rows.map(eventOf)
      next += events.length
      if (events.length === 0 && next !== stop) {
        confirm(mark, log, next, stream)
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
          catch: (cause) => whenReading("read", position(next), cause, stream)
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

  const readerOf = <R extends LogRecord>(
    stream: string,
    tableOf: (log: LogFile.LogFile) => LogTable<R>
  ): LogReader<R> => {
    const read: LogReader<R>["read"] = (from, options) =>
      from.partition === 0
        ? Stream.fromPull(Effect.sync(() => cursor(stream, tableOf, from.offset, options?.until === "end")))
        : Stream.fail(whenReading("read", from, corrupt(0, `it has no partition ${from.partition}`)))
    return { bounds: boundsOf(stream), read, firstAt: firstAt(read) }
  }

  return { file, readerOf }
})

/** `commitsOf`: of a stream of the log, in the process that appends to it. */
export const make = Effect.fnUntraced(function* (commitsOf?: (stream: string) => Commits) {
  const folder = yield* DataFolder
  const scope = yield* Effect.scope
  const log = yield* readFile(folder, commitsOf)
  const files = new Map<string, typeof log>()
  const writers = new Map<string, string>()

  /** The processor that writes the stream, as its applied definition says. */
  const writerOf = (stream: string) => {
    const known = writers.get(stream)
    if (known !== undefined || !LogFile.isThere(folder)) return known
    const found = writerIn(log.file().database, stream)
    if (found !== undefined) writers.set(stream, found)
    return found
  }

  /** The file that has the stream. As long as its processor has none, the log, in which it is empty. */
  const fileOf = Effect.fnUntraced(function* (stream: string) {
    const processor = yield* Effect.try({
      try: () => writerOf(stream),
      catch: (cause) => whenReading("read", position(0), cause, stream)
    })
    if (processor === undefined) return { file: log, isComing: false }
    const known = files.get(processor)
    if (known !== undefined) return { file: known, isComing: false }
    const place = processorFolder(folder, processor)
    const isThere = yield* Effect.try({
      try: () => LogFile.isThere(place),
      catch: (cause) => whenReading("read", position(0), cause, stream)
    })
    if (!isThere) return { file: log, isComing: true }
    const file = yield* Scope.provide(readFile(place), scope)
    files.set(processor, file)
    return { file, isComing: false }
  })
  const existing = Effect.fnUntraced(function* (stream: string) {
    for (;;) {
      const { file, isComing } = yield* fileOf(stream)
      if (!isComing) return file
      yield* Effect.sleep(pollInterval)
    }
  })

  const of = (stream: string): LogReader => {
    const reader = ({ readerOf }: typeof log) => readerOf(stream, (file) => file.of(stream))
    const now = Effect.map(fileOf(stream), ({ file }) => reader(file))
    return {
      bounds: Effect.flatMap(now, ({ bounds }) => bounds),
      read: (from, options) => {
        const found = options?.until === "end" ? now : Effect.map(existing(stream), reader)
        return Stream.unwrap(Effect.map(found, ({ read }) => read(from, options)))
      },
      firstAt: (bounds, millis) => Effect.flatMap(now, ({ firstAt }) => firstAt(bounds, millis))
    }
  }

  const ofWeather = log.readerOf<WeatherRecord>(weather, (file) => file.weather)
  return EventLogReader.of({ ...ofWeather, of: (stream) => (stream === weather ? ofWeather : of(stream)) })
})

export const layer = Layer.effect(EventLogReader, make())
