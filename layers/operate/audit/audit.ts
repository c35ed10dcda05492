/** Reconciles the log with the table: every event once, in its hour, and nothing else but what other programs wrote. */
import { Clock, Effect, Fiber, Option, Schema } from "effect"
import { EventLogReader, isSameLog, type LogBounds, type Position } from "../../../services/EventLog.ts"
import { type OtherChanges, TableChecksums, type TableHour, type TableView } from "../../../services/TableChecksums.ts"
import { hourOf } from "../../../services/Weather.ts"
import { compareHour, type Example, nothing, same } from "./compareHour.ts"
import { makeHours, type Run, visit } from "./hourlyChecksums.ts"

/** Where the table does not tell how far the log is in it, an hour is judged only so long after its end. */
const settlingMillis = 10 * 60 * 1000
/** Examples of one hour, and of all of them. */
const hourExamples = 5
const allExamples = 20

class AuditImpossible extends Schema.TaggedError<AuditImpossible>()("AuditImpossible", {
  reason: Schema.String
}) {
  override get message() {
    return `The log and the table cannot be compared: ${this.reason}.`
  }
}

export interface AuditOptions {
  /** First and last hour, `YYYY-MM-DD-HH`. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** Told now and then how much of the log has been read, of how much; all of it when the table is waited for. */
  readonly progress?: (events: number, of: number) => Effect.Effect<void>
}

export interface AuditedHour {
  readonly ts: TableHour
  readonly logged: number
  readonly inTable: number
  /** Rows that other programs added, less those that they deleted. */
  readonly byOthers: number
  readonly missing: number
  readonly extra: number
}

export interface AuditReport {
  readonly snapshotId: string
  /** What was compared: the log from these positions on, to before those. */
  readonly from: ReadonlyArray<Position>
  readonly upTo: ReadonlyArray<Position>
  /** The hour before which all were compared; null if the table tells how far the log is in it. */
  readonly settledBefore: string | null
  /** In their order. */
  readonly hours: ReadonlyArray<AuditedHour>
  readonly logged: number
  readonly inTable: number
  readonly missing: number
  readonly extra: number
  /** Positions of the log that hold no event: another program wrote something else there. */
  readonly leftOut: number
  readonly examples: ReadonlyArray<Example>
  /** What other programs than the sink have changed in the table: neither missing nor extra. */
  readonly changedByOthers: OtherChanges["changes"]
  /** Sentences that say what of that cannot be known, and so counts as missing or extra. */
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

const refuse = Effect.fnUntraced(function* (bounds: LogBounds, table: TableView, runs: ReadonlyArray<Run>) {
  const logId = Option.getOrElse(table.logId, () => bounds.logId)
  if (!isSameLog(bounds, logId, runs[0]?.until ?? 0)) {
    return yield* new AuditImpossible({
      reason: `the table was written from another log (id ${logId}) than the one that is here (id ${bounds.logId}); put that log back`
    })
  }
  for (const { partition, until } of runs) {
    const end = bounds.partitions.find((_) => _.partition === partition)?.end ?? 0
    if (until > end) {
      return yield* new AuditImpossible({
        reason: `the table holds the log up to offset ${until} of partition ${partition}, and the log ends at ${end}; put the newest copy of the log back`
      })
    }
  }
})

const byHour = (a: TableHour, b: TableHour) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b ? -1 : 1)

/** None if there is no table yet. */
export const audit = Effect.fn("Audit.audit")(function* (options: AuditOptions) {
  const log = yield* EventLogReader
  const found = yield* (yield* TableChecksums).view
  if (Option.isNone(found)) return Option.none<AuditReport>()
  const table = found.value
  const bounds = yield* log.bounds
  const runs = runsOf(bounds, table.committed)
  yield* refuse(bounds, table, runs)
  const now = yield* Clock.currentTimeMillis
  const settledBefore = Option.isSome(table.committed) ? null : hourOf(now - settlingMillis)
  const { from = "", to } = options
  const isWanted = (ts: TableHour) => {
    if (ts === null) return options.from === undefined && to === undefined
    return ts >= from && (to === undefined || ts <= to) && (settledBefore === null || ts < settledBefore)
  }

  const inTable = yield* Effect.forkChild(table.hours)
  const tally = makeHours(isWanted)
  const total = runs.reduce((sum, { offset, until }) => sum + Math.max(0, until - offset), 0)
  let read = 0
  yield* visit(log, runs, tally.add, (events) => {
    read += events
    return options.progress?.(read, total) ?? Effect.void
  })
  yield* options.progress?.(total, total) ?? Effect.void
  const logged = tally.all()
  const tableHours = yield* Fiber.join(inTable)

  const hours: Array<AuditedHour> = []
  const examples: Array<Example> = []
  for (const ts of new Set<TableHour>([...logged.keys(), ...tableHours.keys()].sort(byHour))) {
    if (!isWanted(ts)) continue
    const ofLog = ts === null ? undefined : logged.get(ts)
    const ofTable = tableHours.get(ts)
    const byOthers = ofTable?.byOthers ?? 0
    const counts = { ts, logged: ofLog?.rows ?? 0, inTable: (ofTable ?? nothing).rows + byOthers, byOthers }
    if (same(ofLog, ofTable)) {
      hours.push({ ...counts, missing: 0, extra: 0 })
      continue
    }
    const room = Math.min(hourExamples, allExamples - examples.length)
    const difference = yield* compareHour(log, table, ts, ofLog, ofTable, room)
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
    leftOut: total - read,
    examples,
    changedByOthers: changes,
    unknown
  })
}, Effect.scoped)
