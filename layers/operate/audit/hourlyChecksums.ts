/** The log's side of an audit: checksums of each hour, up to a position. */
import { Effect, Stream } from "effect"
import type { LoggedEvent, LogReader, LogRecord, Position } from "../../../services/EventLog.ts"
import { checksumOfText, type Sum, type TableHour } from "../../../services/TableChecksums.ts"
import type { RowFormat } from "./RowFormat.ts"

/** Events of a partition from `offset` to before `until`. */
export interface Run extends Position {
  readonly until: number
}

export interface LoggedHour extends Sum {
  /** The positions between which its events are, one run per partition. */
  readonly runs: ReadonlyArray<Run>
}

/** Called for every event. */
export type Visit = (event: LoggedEvent<LogRecord>) => void

/** Visits the events of these runs, one partition after the other. */
export const visit = Effect.fnUntraced(function* (
  log: LogReader,
  runs: ReadonlyArray<Run>,
  each: Visit,
  afterPiece: (events: number) => Effect.Effect<void> = () => Effect.void
) {
  for (const { partition, offset, until } of runs) {
    if (offset >= until) continue
    yield* log.read({ partition, offset }, { until: "end" }).pipe(
      Stream.takeWhile(({ position }) => position.offset < until),
      Stream.chunks,
      Stream.runForEach((events) => {
        for (const event of events) each(event)
        return afterPiece(events.length)
      })
    )
  }
})

export const makeHours = ({ group, text }: RowFormat, isWanted: (ts: TableHour) => boolean) => {
  const hours = new Map<
    TableHour,
    { rows: number; checksum: bigint; runs: Map<number, { from: number; until: number }> }
  >()
  const add: Visit = ({ position: { partition, offset }, record }) => {
    const ts = group(record)
    let hour = hours.get(ts)
    if (hour === undefined) {
      if (!isWanted(ts)) return
      hour = { rows: 0, checksum: 0n, runs: new Map() }
      hours.set(ts, hour)
    }
    hour.rows++
    hour.checksum += checksumOfText(text(record))
    const run = hour.runs.get(partition)
    if (run === undefined) hour.runs.set(partition, { from: offset, until: offset + 1 })
    else run.until = offset + 1
  }
  const all = (): ReadonlyMap<TableHour, LoggedHour> =>
    new Map(
      hours.entries().map(([ts, { rows, checksum, runs }]) => {
        const list = runs.entries().map(([partition, { from, until }]) => ({ partition, offset: from, until }))
        return [ts, { rows, checksum, runs: [...list] }]
      })
    )
  return { add, all }
}

/** Checksums of the slices of one hour: a record belongs to the slice of its checksum modulo `of`. */
export const makeSlices = ({ group, text }: RowFormat, ts: TableHour, of: number) => {
  const slices = new Map<number, { rows: number; checksum: bigint }>()
  const modulus = BigInt(of)
  const add: Visit = ({ record }) => {
    if (group(record) !== ts) return
    const checksum = checksumOfText(text(record))
    const slice = Number(checksum % modulus)
    const sum = slices.get(slice)
    if (sum === undefined) slices.set(slice, { rows: 1, checksum })
    else {
      sum.rows++
      sum.checksum += checksum
    }
  }
  return { add, all: (): ReadonlyMap<number, Sum> => slices }
}
