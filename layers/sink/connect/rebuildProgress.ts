/** Computes the progress of a rebuild from positions of the log. */
import type { Position } from "../../../services/EventLog.ts"

export const sum = (positions: ReadonlyArray<Position>) => positions.reduce((all, { offset }) => all + offset, 0)

/** One position per partition: the table's, or the start of the log where the table has none or an earlier one. */
export const startingPositions = (
  positions: ReadonlyArray<Position>,
  partitions: ReadonlyArray<{ readonly partition: number; readonly start: number }>
): ReadonlyArray<Position> =>
  partitions.map(({ partition, start }) => ({
    partition,
    offset: Math.max(start, positions.find((position) => position.partition === partition)?.offset ?? start)
  }))

/** The partitions whose end the table has not reached, with the table's offset. */
export const remaining = (positions: ReadonlyArray<Position>, ends: ReadonlyArray<Position>) =>
  ends.flatMap(({ partition, offset: end }) => {
    const offset = positions.find((position) => position.partition === partition)?.offset ?? 0
    return offset < end ? [{ partition, offset, end }] : []
  })

/** The number of events before these ends that are in the table. */
export const eventsWithin = (positions: ReadonlyArray<Position>, ends: ReadonlyArray<Position>) =>
  sum(ends) - remaining(positions, ends).reduce((all, { end, offset }) => all + end - offset, 0)
