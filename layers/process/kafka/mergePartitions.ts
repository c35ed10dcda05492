/**
 * Brings the events of several partitions into one order: by the time of acceptance, as one log would have them. A processor
 * that reads hours of events after a pause would otherwise see one partition's hours before another's, and those would be late.
 */
import { type Cause, Clock, Effect, Queue } from "effect"
import { monotonicMillisUnsafe } from "../../runtime/elapsed.ts"
import type { InputEvent } from "../Runner.ts"
import type { Input } from "./InputTopic.ts"

export type Source = Pick<Input, "next" | "isAtEnd">

export interface PlacedEvent extends InputEvent {
  readonly partition: number
}

/**
 * Milliseconds that an event which was just accepted waits for earlier ones of partitions that are read to their end: the
 * brokers get the batches of one moment one after the other.
 */
const patience = 500
const longestWait = 500
/** Milliseconds after which an event that waits is looked at again. */
const heldWait = 20
const maxEvents = 2_000

interface Lane {
  events: ReadonlyArray<InputEvent>
  at: number
  /** Read ahead. */
  following: ReadonlyArray<InputEvent> | undefined
  /** Whether nothing came after these when the partition was read last. */
  isAtEnd: boolean
  /** When `events` were read, by the monotonic clock. */
  receivedAt: number
  /** Of the events that were accepted at `togetherAt`: how many were taken, and how many are known. */
  togetherAt: number
  taken: number
  known: number
  readonly freed: Queue.Queue<void>
}

/** The next event of a partition; it brings in what was read ahead. */
const headOf = (lane: Lane, now: number) => {
  if (lane.at === lane.events.length && lane.following !== undefined) {
    lane.events = lane.following
    lane.at = 0
    lane.following = undefined
    lane.receivedAt = now
    Queue.offerUnsafe(lane.freed, undefined)
  }
  return lane.events[lane.at]
}

/** How many of the next events were accepted at that time, as far as they were read. */
const countAt = ({ at, events, following = [] }: Lane, time: number) => {
  let count = 0
  while (events[at + count]?.acceptedAt === time) count++
  if (at + count < events.length) return count
  const rest = following.findIndex(({ acceptedAt }) => acceptedAt !== time)
  return count + (rest < 0 ? following.length : rest)
}

/** Which share of what was accepted at that time was taken. */
const shareOf = (lane: Lane, time: number) => {
  if (lane.togetherAt !== time) {
    lane.togetherAt = time
    lane.taken = 0
    lane.known = 0
  }
  if (lane.taken >= lane.known) lane.known = lane.taken + countAt(lane, time)
  return (lane.taken + 0.5) / lane.known
}

/** `inputs` are the partitions 0, 1, …; each is read ahead by a batch or two. With `wait`, the effect waits half a second for events. */
export const make = Effect.fnUntraced(function* (inputs: ReadonlyArray<Source>) {
  const clock = yield* Clock.Clock
  const arrived = yield* Queue.sliding<void>(1)
  let failure: Cause.Cause<Effect.Error<Input["next"]>> | undefined

  const lanes: ReadonlyArray<Lane> = yield* Effect.forEach(
    inputs,
    Effect.fnUntraced(function* (input) {
      const freed = yield* Queue.sliding<void>(1)
      const lane: Lane = {
        events: [],
        at: 0,
        following: undefined,
        isAtEnd: false,
        receivedAt: 0,
        togetherAt: -1,
        taken: 0,
        known: 0,
        freed
      }
      const read = Effect.gen(function* () {
        const events = yield* input.next
        lane.isAtEnd = input.isAtEnd()
        if (events.length > 0) {
          lane.following = events
          lane.known = 0
        }
        Queue.offerUnsafe(arrived, undefined)
        while (lane.following !== undefined) yield* Queue.take(freed)
      })
      const failed = (cause: typeof failure) =>
        Effect.sync(() => {
          failure = cause
          Queue.offerUnsafe(arrived, undefined)
        })
      yield* Effect.forkScoped(Effect.onError(Effect.forever(read), failed))
      return lane
    })
  )

  /** The events of a request were accepted at once: taken evenly from their partitions, they have about its order again. */
  const isBefore = (lane: Lane, other: Lane | undefined, time: number) =>
    other !== undefined && shareOf(lane, time) < shareOf(other, time)

  /** The partition with the earliest event; undefined if an earlier one may still come. */
  const earliest = () => {
    const now = monotonicMillisUnsafe(clock)
    let found: number | undefined
    let time = Number.POSITIVE_INFINITY
    let isWhole = true
    let isRead = true
    for (const [partition, lane] of lanes.entries()) {
      const event = headOf(lane, now)
      if (event === undefined) {
        isWhole = false
        isRead &&= lane.isAtEnd
      } else if (event.acceptedAt < time || (event.acceptedAt === time && isBefore(lane, lanes[found ?? -1], time))) {
        time = event.acceptedAt
        found = partition
      }
    }
    if (found === undefined || isWhole) return found
    const isOld =
      clock.currentTimeMillisUnsafe() - time >= patience || now - (lanes[found]?.receivedAt ?? 0) >= patience
    return isRead && isOld ? found : undefined
  }

  const take = () => {
    const taken: Array<PlacedEvent> = []
    while (taken.length < maxEvents) {
      const partition = earliest()
      const lane = partition === undefined ? undefined : lanes[partition]
      const event = lane?.events[lane.at]
      if (partition === undefined || lane === undefined || event === undefined) break
      lane.at++
      if (event.acceptedAt === lane.togetherAt) lane.taken++
      taken.push({ ...event, partition })
    }
    return taken
  }

  return Effect.fnUntraced(function* (wait: boolean) {
    const since = monotonicMillisUnsafe(clock)
    const longest = wait ? longestWait : 0
    for (;;) {
      if (failure !== undefined) return yield* Effect.failCause(failure)
      const taken = take()
      const waited = monotonicMillisUnsafe(clock) - since
      if (taken.length > 0 || waited >= longest) return taken
      const isHeld = lanes.some(({ at, events }) => at < events.length)
      yield* Effect.timeoutOption(Queue.take(arrived), isHeld ? heldWait : longest - waited)
    }
  })
})
