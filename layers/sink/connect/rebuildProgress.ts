/** How far a replay is, in positions of the log. */
import type { Position } from "../../../services/EventLog.ts"

export const sum = (positions: ReadonlyArray<Position>) => positions.reduce((all, { offset }) => all + offset, 0)

/** A place for each partition: where the table is, or the log begins. */
export const placed = (
  positions: ReadonlyArray<Position>,
  partitions: ReadonlyArray<{ readonly partition: number; readonly start: number }>
): ReadonlyArray<Position> =>
  partitions.map(({ partition, start }) => ({
    partition,
    offset: Math.max(start, positions.find((position) => position.partition === partition)?.offset ?? start)
  }))

/** Where the table still has to come to, with how far it is there. */
export const missing = (positions: ReadonlyArray<Position>, ends: ReadonlyArray<Position>) =>
  ends.flatMap(({ partition, offset: end }) => {
    const offset = positions.find((position) => position.partition === partition)?.offset ?? 0
    return offset < end ? [{ partition, offset, end }] : []
  })

/** Events of the log up to these ends that are in the table. */
export const within = (positions: ReadonlyArray<Position>, ends: ReadonlyArray<Position>) =>
  sum(ends) - missing(positions, ends).reduce((all, { end, offset }) => all + end - offset, 0)
