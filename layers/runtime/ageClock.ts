/** Ages of things that are stamped by the wall clock and kept for a time, for example idempotency keys. */
import { type Clock, Duration } from "effect"
import { monotonicMillisUnsafe } from "./elapsed.ts"

/** Smaller steps are drift and slewing. */
const leastStep = 1_000

interface Jump {
  by: number
  readonly until: number
}

/**
 * The wall clock's milliseconds, in which a jump ahead counts only after `kept` has passed. So nothing seems older than it
 * is, and what was stamped before the jump keeps its true age. After a step back things are kept longer.
 */
export const make = (clock: Clock.Clock, kept: Duration.Input) => {
  const keptMillis = Duration.toMillis(kept)
  let offset = clock.currentTimeMillisUnsafe() - monotonicMillisUnsafe(clock)
  let jumps: Array<Jump> = []

  const step = (by: number, elapsed: number) => {
    offset += by
    if (by > 0) return void jumps.push({ by, until: elapsed + keptMillis })
    let back = -by
    for (const jump of jumps.toReversed()) {
      const undone = Math.min(back, jump.by)
      jump.by -= undone
      back -= undone
    }
  }

  return () => {
    const elapsed = monotonicMillisUnsafe(clock)
    const wall = clock.currentTimeMillisUnsafe()
    const by = wall - elapsed - offset
    if (Math.abs(by) > leastStep) step(by, elapsed)
    if (jumps.length > 0) jumps = jumps.filter((jump) => jump.by > 0 && jump.until > elapsed)
    return Math.round(wall - jumps.reduce((sum, jump) => sum + jump.by, 0))
  }
}
