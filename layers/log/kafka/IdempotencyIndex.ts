/** Where each Idempotency-Key was logged, for the last 24 hours or the last `keysMax` events. */
import type { IdempotencyKey, Position, PositionRun } from "../../../services/EventLog.ts"
import type { KeyedRecord } from "./records.ts"

/** How long a key is kept, in milliseconds. */
export const kept = 24 * 60 * 60 * 1_000

/** Bounds the keys of several indexes together: past `max`, the oldest keys of the index with the most go first. */
export interface KeyBudget {
  /** Returns a function that is called after each key that the index adds. */
  readonly join: (index: { readonly size: () => number; readonly dropOldest: () => void }) => () => void
}

export const makeBudget = (max: number): KeyBudget => {
  const indexes = new Set<{ readonly size: () => number; readonly dropOldest: () => void }>()
  const count = () => [...indexes].reduce((sum, index) => sum + index.size(), 0)
  /** Not below the actual number. */
  let keys = 0
  return {
    join: (index) => {
      indexes.add(index)
      return () => {
        keys++
        if (keys <= max) return
        keys = count()
        for (const index of [...indexes].toSorted((a, b) => b.size() - a.size())) {
          if (keys <= max) return
          index.dropOldest()
          keys = count()
        }
      }
    }
  }
}

export interface Receipt {
  readonly digest: string
  readonly count: number
  /** Number of events in the topic before it. */
  readonly place: number
  acceptedAt: number
  /** The hour of its first record. */
  ts: string
  /** A request with this key is in flight. */
  busy: boolean
  /** Positions of the records that are logged, by index; undefined once all are. */
  parts: Map<number, Position> | undefined
  /** Positions of all records, in order; empty until all are logged. */
  positions: ReadonlyArray<PositionRun>
}

export interface IdempotencyIndex {
  readonly find: (key: string, now: number) => Receipt | undefined
  readonly begin: (idempotency: IdempotencyKey, count: number, ts: string, now: number) => Receipt
  /** Removes the receipt of a request that logged nothing. */
  readonly forget: (key: string, receipt: Receipt) => void
  /** Records the position of a record; false if the same record is already at another position. */
  readonly placed: (receipt: Receipt, index: number, position: Position) => boolean
  /** Like `placed`, for a record that was read from the topic. */
  readonly read: (
    record: KeyedRecord,
    position: Position,
    at: { readonly acceptedAt: number; readonly ts: () => string }
  ) => boolean
  /** The partition extends to this offset at least. */
  readonly reached: (partition: number, end: number) => void
  readonly clear: () => void
  /** The known end of each partition. */
  readonly ends: () => ReadonlyArray<number>
}

/** Joins adjacent positions to runs, in the order of the records. */
export const runsOf = (positions: Iterable<Position>): ReadonlyArray<PositionRun> => {
  const runs: Array<Position & { count: number }> = []
  let last: (Position & { count: number }) | undefined
  for (const { partition, offset } of positions) {
    if (last !== undefined && last.partition === partition && last.offset + last.count === offset) last.count++
    else {
      last = { partition, offset, count: 1 }
      runs.push(last)
    }
  }
  return runs
}

/** Keys are dropped by generation, this many per window; a lookup checks the age of each key itself. */
const generationsPerWindow = 4
/** More than a window has: keys of requests with an unknown outcome may not count as events yet. */
const maxGenerations = 4 * generationsPerWindow

interface Generation {
  readonly keys: Map<string, Receipt>
  place: number
  acceptedAt: number
}

const generation = (): Generation => ({
  keys: new Map(),
  place: Number.NEGATIVE_INFINITY,
  acceptedAt: Number.NEGATIVE_INFINITY
})

/** The age of a key never exceeds its age at `now`, whatever the timestamps of later records. */
export const make = (
  keysMax: number,
  now: () => number = () => Number.POSITIVE_INFINITY,
  budget?: KeyBudget
): IdempotencyIndex => {
  let young = generation()
  let youngSince = { place: 0, at: Number.NEGATIVE_INFINITY }
  let older: ReadonlyArray<Generation> = []
  const ends: Array<number> = []
  let total = 0

  const added = budget?.join({
    size: () => older.reduce((sum, { keys }) => sum + keys.size, young.keys.size),
    dropOldest: () => {
      const oldest = older.at(-1)
      older = older.slice(0, -1)
      const { keys } = oldest ?? young
      // A second request with a key that is in flight, or of which only a part is known, would be logged beside the first.
      const all = [...keys].filter(([, { busy }]) => !busy)
      // Never the newest, which may be the only key.
      const idle = oldest === undefined ? all.slice(0, Math.floor(all.length / 2)) : all
      const ended = idle.filter(
        ([, receipt]) => receipt.parts === undefined || !isWithin(receipt, total, Number.POSITIVE_INFINITY)
      )
      const dropped = new Set((ended.length > 0 ? ended : idle).map(([key]) => key))
      for (const key of dropped) keys.delete(key)
      for (const [key, receipt] of keys) if (!young.keys.has(key)) young.keys.set(key, receipt)
    }
  })

  const stored = (key: string) => {
    const receipt = young.keys.get(key)
    if (receipt !== undefined) return receipt
    for (const { keys } of older) {
      const receipt = keys.get(key)
      if (receipt !== undefined) return receipt
    }
    return undefined
  }

  const isWithin = (since: { readonly place: number; readonly acceptedAt: number }, place: number, at: number) =>
    Math.min(at, now()) - since.acceptedAt < kept && place - since.place <= keysMax

  const isKnown = (receipt: Receipt, now: number) => receipt.busy || isWithin(receipt, total, now)

  const add = (key: string, receipt: Receipt) => {
    const { place, acceptedAt } = receipt
    const room = keysMax / generationsPerWindow
    if (
      young.keys.size >= room ||
      place - youngSince.place >= room ||
      acceptedAt - youngSince.at >= kept / generationsPerWindow
    ) {
      older = [young, ...older.filter((generation) => isWithin(generation, total, acceptedAt))].slice(0, maxGenerations)
      young = generation()
      youngSince = { place, at: acceptedAt }
    }
    young.keys.set(key, receipt)
    young.place = Math.max(young.place, place)
    young.acceptedAt = Math.max(young.acceptedAt, acceptedAt)
    added?.()
    return receipt
  }

  const placed: IdempotencyIndex["placed"] = (receipt, index, position) => {
    const { parts } = receipt
    if (parts === undefined) {
      return receipt.positions.some(
        ({ partition, offset, count }) =>
          partition === position.partition && position.offset >= offset && position.offset < offset + count
      )
    }
    const before = parts.get(index)
    if (before !== undefined) return before.partition === position.partition && before.offset === position.offset
    parts.set(index, position)
    if (parts.size < receipt.count) return true
    receipt.positions = runsOf([...parts].sort(([a], [b]) => a - b).map(([, at]) => at))
    receipt.parts = undefined
    return true
  }

  return {
    find: (key, now) => {
      const receipt = stored(key)
      return receipt !== undefined && isKnown(receipt, now) ? receipt : undefined
    },
    begin: ({ key, digest }, count, ts, acceptedAt) => {
      const parts = new Map<number, Position>()
      return add(key, { digest, count, place: total, acceptedAt, ts, busy: true, parts, positions: [] })
    },
    forget: (key, receipt) => {
      for (const { keys } of [young, ...older]) if (keys.get(key) === receipt) keys.delete(key)
    },
    placed,
    read: ({ key, digest, index, count }, position, { acceptedAt, ts }) => {
      const known = stored(key)
      const place = total - Math.max(0, (ends[position.partition] ?? 0) - position.offset)
      // The key was reused after it had expired, or by a server that did not know it: the later request counts.
      const same = known !== undefined && known.digest === digest && known.count === count
      if (same && (known.busy || isWithin(known, place, acceptedAt))) return placed(known, index, position)
      const parts = new Map<number, Position>()
      const receipt = { digest, count, place, acceptedAt, ts: ts(), busy: false, parts, positions: [] }
      return placed(add(key, receipt), index, position)
    },
    reached: (partition, end) => {
      const before = ends[partition] ?? 0
      ends[partition] = Math.max(before, end)
      total += Math.max(0, end - before)
    },
    clear: () => {
      young = generation()
      older = []
      ends.length = 0
    },
    ends: () => Array.from(ends, (end) => end ?? 0)
  }
}
