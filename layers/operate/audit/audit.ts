/** Reconciles the log with the table: it must hold every event once, in its hour, and otherwise only what other programs wrote. */
import { Clock, Effect, Fiber, Option, Schema } from "effect"
import { EventLogReader, isSameLog, type LogBounds, type LogReader, type Position } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { type OtherChanges, TableChecksums, type TableHour, type TableView } from "../../../services/TableChecksums.ts"
import { hourOf, weatherStream } from "../../../services/Weather.ts"
import { compareHour, type Example, nothing, same } from "./compareHour.ts"
import { makeHours, type Run, visit } from "./hourlyChecksums.ts"
import { rowFormat } from "./RowFormat.ts"

/** If the table does not record how far the log is in it, an hour is compared only this long after its end. */
const settlingMillis = 10 * 60 * 1000
/** Most examples for one hour, and for all of them. */
const hourExamples = 5
const allExamples = 20

/** The table was written from another log. */
class AnotherLog extends Schema.TaggedError<AnotherLog>()("AnotherLog", {
  /** The id of the table's log, and of the log that is here. */
  tableLogId: Schema.String,
  logId: Schema.String
}) {
  override get message() {
    return `the table was written from another log (id ${this.tableLogId}) than the one that is here (id ${this.logId}); restore that log`
  }
}

/** The log ends before an event that is in the table. */
class LogTooShort extends Schema.TaggedError<LogTooShort>()("LogTooShort", {
  partition: Schema.Int,
  /** The offset after the last event in the table. */
  inTable: Schema.Int,
  end: Schema.Int
}) {
  override get message() {
    return `the table holds the log up to offset ${this.inTable} of partition ${this.partition}, and the log ends at ${this.end}; restore the newest copy of the log`
  }
}

class AuditImpossible extends Schema.TaggedError<AuditImpossible>()("AuditImpossible", {
  reason: Schema.Union([AnotherLog, LogTooShort])
}) {
  override get message() {
    return `The log and the table cannot be compared: ${this.reason.message}.`
  }
}

export interface AuditOptions {
  /** Weather by default. */
  readonly stream?: AppliedStream | undefined
  /** First and last hour, `YYYY-MM-DD-HH`; the groups of a stream that they are in count as a whole. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** Receives how many events of the log have been read, and how many there are. */
  readonly onProgress?: (events: number, of: number) => Effect.Effect<void>
}

export interface AuditedHour {
  readonly ts: TableHour
  readonly logged: number
  readonly inTable: number
  /** Rows that other programs added, minus those that they deleted. */
  readonly byOthers: number
  readonly missing: number
  readonly extra: number
}

export interface AuditReport {
  readonly snapshotId: string
  /** What was compared: the log from `from` (inclusive) to `upTo` (exclusive). */
  readonly from: ReadonlyArray<Position>
  readonly upTo: ReadonlyArray<Position>
  /** Only hours before this one were compared; null if the table records how far the log is in it. */
  readonly settledBefore: string | null
  /** Ascending. */
  readonly hours: ReadonlyArray<AuditedHour>
  readonly logged: number
  readonly inTable: number
  readonly missing: number
  readonly extra: number
  /** Positions of the log where another program wrote something that is not an event. */
  readonly leftOut: number
  readonly examples: ReadonlyArray<Example>
  /** Changes that other programs made to the table: they count as neither missing nor extra. */
  readonly changedByOthers: OtherChanges["changes"]
  /** Sentences about changes that cannot be read, whose rows therefore count as missing or extra. */
  readonly unknown: OtherChanges["unknown"]
}

const runsOf = (bounds: LogBounds, committed: Option.Option<ReadonlyArray<Position>>): ReadonlyArray<Run> =>
  bounds.partitions.map(({ partition, start, end }) => {
    const until = Option.match(committed, {
      onNone: () => end,
      onSome: (positions) => positions.find((_) => _.partition === partition)?.offset ?? start
    })
    return { partition, offset: start, until }
  })

const requireSameLog = Effect.fnUntraced(function* (bounds: LogBounds, table: TableView, runs: ReadonlyArray<Run>) {
  const logId = Option.getOrElse(table.logId, () => bounds.logId)
  if (!isSameLog(bounds, logId, runs[0]?.until ?? 0)) {
    return yield* new AuditImpossible({ reason: new AnotherLog({ tableLogId: logId, logId: bounds.logId }) })
  }
  for (const { partition, until } of runs) {
    const end = bounds.partitions.find((_) => _.partition === partition)?.end ?? 0
    if (until > end) {
      return yield* new AuditImpossible({ reason: new LogTooShort({ partition, inTable: until, end }) })
    }
  }
})

const byHour = (a: TableHour, b: TableHour) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b ? -1 : 1)

/** None if there is no table yet. */
export const audit = Effect.fn("Audit.audit")(function* (options: AuditOptions) {
  const { stream = weatherStream } = options
  const view = yield* (yield* TableChecksums).view(stream)
  if (Option.isNone(view)) return Option.none<AuditReport>()
  const table = view.value
  const reader = yield* EventLogReader
  const log: LogReader = stream === weatherStream ? reader : reader.of(stream.definition.name)
  const format = rowFormat(table.stream)
  const bounds = yield* log.bounds
  const runs = runsOf(bounds, table.committed)
  yield* requireSameLog(bounds, table, runs)
  const now = yield* Clock.currentTimeMillis
  const settledBefore = Option.isSome(table.committed) ? null : hourOf(now - settlingMillis)
  const from = options.from === undefined ? "" : format.groupOfHour(options.from)
  const to = options.to === undefined ? undefined : format.groupOfHour(options.to)
  const isWanted = (ts: TableHour) => {
    if (ts === null) return options.from === undefined && to === undefined
    return ts >= from && (to === undefined || ts <= to) && (settledBefore === null || ts < settledBefore)
  }

  const inTable = yield* Effect.forkChild(table.hours)
  const checksums = makeHours(format, isWanted)
  const total = runs.reduce((sum, { offset, until }) => sum + Math.max(0, until - offset), 0)
  let read = 0
  yield* visit(log, runs, checksums.add, (events) => {
    read += events
    return options.onProgress?.(read, total) ?? Effect.void
  })
  yield* options.onProgress?.(total, total) ?? Effect.void
  const logged = checksums.all()
  const tableHours = yield* Fiber.join(inTable)

  const hours: Array<AuditedHour> = []
  const examples: Array<Example> = []
  for (const ts of new Set<TableHour>([...logged.keys(), ...tableHours.keys()].sort(byHour))) {
    if (!isWanted(ts)) continue
    const ofLog = logged.get(ts)
    const ofTable = tableHours.get(ts)
    const byOthers = ofTable?.byOthers ?? 0
    const counts = { ts, logged: ofLog?.rows ?? 0, inTable: (ofTable ?? nothing).rows + byOthers, byOthers }
    if (same(ofLog, ofTable)) {
      if (counts.logged !== 0 || byOthers !== 0) hours.push({ ...counts, missing: 0, extra: 0 })
      continue
    }
    const room = Math.min(hourExamples, allExamples - examples.length)
    const difference = yield* compareHour({ format, log, table }, ts, ofLog, ofTable, room)
    hours.push({ ...counts, missing: difference.missing, extra: difference.extra })
    examples.push(...difference.examples)
  }
  const { changes, unknown } = yield* table.others
  const sum = (count: (hour: AuditedHour) => number) => hours.reduce((sum, hour) => sum + count(hour), 0)
  return Option.some<AuditReport>({
    snapshotId: table.snapshotId,
    from: runs.map(({ partition, offset }) => ({ partition, offset })),
    upTo: runs.map(({ partition, until }) => ({ partition, offset: until })),
    settledBefore,
    hours,
    logged: sum((_) => _.logged),
    inTable: sum((_) => _.inTable),
    missing: sum((_) => _.missing),
    extra: sum((_) => _.extra),
    // The transactions of a processor have offsets without an event, so that the number says nothing of its streams.
    leftOut: stream.definition.writer === undefined ? total - read : 0,
    examples,
    changedByOthers: changes,
    unknown
  })
}, Effect.scoped)
